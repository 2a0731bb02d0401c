#!/bin/sh
# mmdebstrap runs this with the tree as its argument. It puts a kernel in without the package's own scripts: they would
# make an initial RAM disk with drivers that nothing here needs, which takes ten minutes where the tree is for another
# processor.
set -eu
debs=@INPUTS@/debs
mkdir -p "$debs"
APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get --yes --no-install-recommends --download-only \
    -o Dir::Cache::Archives="$debs" -o Debug::NoLocking=1 install @PACKAGE@
dpkg-deb -x "$debs"/linux-image-[0-9]*.deb "$debs/kernel"
mkdir -p "$1/usr/lib/modules"
for modules in "$debs"/kernel/lib/modules/* "$debs"/kernel/usr/lib/modules/*; do
    [ ! -d "$modules" ] || mv "$modules" "$1/usr/lib/modules/"
done
mv "$debs"/kernel/boot/* "$1/boot/"
version=$(ls "$1/usr/lib/modules")
for driver in nvme ext4; do
    grep -q "/$driver.ko" "$1/usr/lib/modules/$version/modules.builtin" || {
        echo "kernel $version has $driver as a module only, and lab machines boot without modules" >&2
        exit 1
    }
done
chroot "$1" depmod "$version"
