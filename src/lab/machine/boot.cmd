# Starts this machine as Armbian's boot scripts start a board: with the settings of armbianEnv.txt. After a change:
#   mkimage -A arm64 -C none -T script -d /boot/boot.cmd /boot/boot.scr
setenv extraargs
if load ${devtype} ${devnum}:${distro_bootpart} ${ramdisk_addr_r} ${prefix}armbianEnv.txt; then
    env import -t ${ramdisk_addr_r} ${filesize}
fi
setenv bootargs console=@CONSOLE@ ${extraargs}
load ${devtype} ${devnum}:${distro_bootpart} ${kernel_addr_r} ${prefix}Image
# The emulator has put the RAM disk into memory.
booti ${kernel_addr_r} @ADDRESS@:@SIZE@ ${fdt_addr}
