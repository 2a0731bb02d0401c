# New keys of the kinds that there are, beside the old ones. What an earlier run made is taken.
set -e
umask 077
cd /etc/ssh
mkdir -p @KEYS@
for old in ssh_host_rsa_key ssh_host_ecdsa_key ssh_host_ed25519_key; do
    new=@KEYS@/$old
    if [ -f $old ] && [ ! -s $new.pub ]; then
        kind=${old#ssh_host_}
        rm -f $new
        ssh-keygen -q -t ${kind%_key} -N '' -C "root@$(uname -n)" -f $new
    fi
done
if [ ! -e @KEYS@/old ]; then
    cut -d' ' -f1,2 ssh_host_*_key.pub >@KEYS@/old.skep
    mv @KEYS@/old.skep @KEYS@/old
fi
cut -d' ' -f1,2 @KEYS@/*.pub >@KEYS@/new
sync
