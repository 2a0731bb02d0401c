# Inside a network namespace with mounts and a name of its own: becomes a host's sshd. host.sh DIRECTORY NAME MACHINE-ID
# What skep and sshd would write goes into memory, and ends with the namespace.
set -e
dir=$1 name=$2 machine=$3
mount --make-rprivate /
hostname "$name"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/sshd /run/root /run/lib /run/work
mount -t overlay -o lowerdir=/var/lib,upperdir=/run/lib,workdir=/run/work overlay /var/lib
echo "$machine" >/run/machine-id
echo "$name" >/run/hostname
for file in machine-id hostname; do
    test ! -e /etc/$file || mount --bind /run/$file /etc/$file
done
mount --bind "$dir/passwd" /etc/passwd
mount --bind "$dir/shadow" /etc/shadow
exec /usr/sbin/sshd -D -e -f "$dir/sshd_config"
