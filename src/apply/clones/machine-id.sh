# Random, as machine-id(5) has it: systemd-machine-id-setup would take the ID that a virtual machine was given by its
# host, which a copied machine shares.
set -e
own() { printf 'skep %s' "$(cat /etc/machine-id)" | sha256sum | cut -c1-16; }
[ "$(own)" = @FINGERPRINT@ ] || exit 0
new=$(tr -d - </proc/sys/kernel/random/uuid)
: >@MARK@
# The one that is looked at comes last. The other is a link to it as a rule.
for file in /var/lib/dbus/machine-id /etc/machine-id; do
    if [ -f $file ] && [ ! -L $file ]; then
        echo "$new" >$file.skep
        chmod 444 $file.skep
        sync $file.skep
        mv -f $file.skep $file
    fi
done
sync
[ "$(cat /etc/machine-id)" = "$new" ] || { echo '/etc/machine-id is not a plain file' >&2; exit 1; }
