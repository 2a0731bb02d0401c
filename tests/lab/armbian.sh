# What Armbian's image has besides Debian's, and its service for the first boot, which makes new keys once it may go on.
set -e
printf 'BOARD=nanopi-r5s\nBOARD_NAME="NanoPi R5S"\nVERSION=25.5.1\n' > /etc/armbian-release
echo 'PRESET_ROOT_PASSWORD="looked-for-9"' > /root/.not_logged_in_yet
mkdir -p /etc/systemd/system/getty@.service.d /etc/systemd/system/serial-getty@.service.d /etc/update-motd.d
printf '[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root %%I $TERM\n' |
  tee /etc/systemd/system/getty@.service.d/override.conf > /etc/systemd/system/serial-getty@.service.d/override.conf
printf '#!/bin/sh\n' > /etc/update-motd.d/10-armbian-header; chmod 644 /etc/update-motd.d/10-armbian-header
sed -i 's/^AcceptEnv/#AcceptEnv/' /etc/ssh/sshd_config
cat > /usr/local/sbin/firstrun <<'END'
#!/bin/sh
while [ ! -e /run/go-on ]; do sleep 0.2; done
rm /etc/ssh/ssh_host*; ssh-keygen -qA; systemctl restart ssh; systemctl disable armbian-firstrun
END
chmod 755 /usr/local/sbin/firstrun
printf '[Unit]\nAfter=ssh.service\n[Service]\nExecStart=/usr/local/sbin/firstrun\n[Install]\nWantedBy=multi-user.target\n' \
  > /etc/systemd/system/armbian-firstrun.service
systemctl daemon-reload; systemctl enable -q armbian-firstrun
