#!/bin/sh
# Becomes a systemd that is PID 1 of the namespaces it was started in, and whose writes stay there.
#
# Wants SYSTEMD (the program), UNITS (a directory: its files become units), SYSUSERS (a file, or
# nothing), and directories, separated by colons: KEEP, that stay visible wherever they are, and
# OVERLAID, that are the host's to read and our own to write, as a package needs them.
set -eu

mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
cp -R "$UNITS"/. /run/systemd/system

number=0
IFS=:
for directory in $KEEP; do
    number=$((number + 1))
    mkdir -p "/run/kept/$number"
    mount --rbind "$directory" "/run/kept/$number"
done

# systemd-tmpfiles must not clean the host's, and services must not write there.
for directory in /tmp /var/tmp /var/log /var/lib /var/cache; do
    mount -t tmpfs tmpfs "$directory"
done
number=0
for directory in $OVERLAID; do
    umount "$directory" 2> /dev/null || true
    number=$((number + 1))
    written=/run/overlaid/$number
    mkdir -p "$written/upper" "$written/work"
    mount -t overlay overlay "$directory" \
        -o "lowerdir=$directory,upperdir=$written/upper,workdir=$written/work"
done
cp -a /etc /run/etc
mount --bind /run/etc /etc

# Nothing that the host's own boot does (udev, sysctl, modules, mounts) may be done to it again.
rm -rf /etc/fstab /etc/systemd/system/*
for directory in /usr/lib/systemd/system/*.wants /usr/lib/systemd/system-generators; do
    mount -t tmpfs tmpfs "$directory"
done
# /dev is the host's, and so is the kernel's audit switch.
ln -s /dev/null /run/systemd/system/systemd-journald-dev-log.socket
ln -s /dev/null /run/systemd/system/systemd-journald-audit.socket
mkdir -p /run/systemd/journald.conf.d
printf '[Journal]\nAudit=\nReadKMsg=no\nStorage=volatile\n' > /run/systemd/journald.conf.d/test.conf

number=0
for directory in $KEEP; do
    number=$((number + 1))
    mkdir -p "$directory"
    mount --rbind "/run/kept/$number" "$directory"
done

[ -z "$SYSUSERS" ] || systemd-sysusers "$SYSUSERS"
# What is mounted on top of itself is refused, and the host may have it here as well.
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
# As at any boot that is no container's: what systemd mounts for a service gets into its namespace.
mount --make-rshared /
export container=docker
exec "$SYSTEMD" --system --unit=test.target
