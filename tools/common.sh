# What the scripts in tools share; sourced, not run. Leaves us in the repository's root.
# shellcheck shell=bash

unset CDPATH # with it cd would print, and go elsewhere
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit

# How much to do at once: all cores, or what INOD_JOBS says.
# shellcheck disable=SC2034  # used by those who source this
jobs=${INOD_JOBS:-$(nproc)}

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' dim='' green='' red='' plain=''
fi

# A heading between the output of other programs.
heading() { printf '%s==> %s%s\n' "$bold" "$*" "$plain"; }
good() { printf '%s%s%s\n' "$green" "$*" "$plain"; }
note() { printf '%s%s%s\n' "$dim" "$*" "$plain"; }
bad() { printf '%s%s%s\n' "$red" "$*" "$plain" >&2; }

# The comment at the top of a script is its help.
print_help() { sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$root/tools/${0##*/}"; }

# git, also where the clone belongs to another user than we run as (a container, say).
git_here() { git -c safe.directory="$root" "$@"; }

in_git() { command -v git >/dev/null && git_here rev-parse --git-dir >/dev/null 2>&1; }

# The files of the repository whose names match the patterns, one a line: the tracked and the new
# ones, or without git all outside build.
files_like() {
    if in_git; then
        git_here ls-files --cached --others --exclude-standard -- "$@" | while IFS= read -r file; do
            if [[ -f $file ]]; then printf '%s\n' "$file"; fi
        done
    else
        local pattern names=()
        for pattern in "$@"; do names+=(-o -name "$pattern"); done
        find . -path ./build -prune -o -type f \( "${names[@]:1}" \) -print | sed 's|^\./||' | sort
    fi
}

# Where Debian's kernel is, unpacked: for machines that are emulated. Kept from one run to the next.
debian_kernel() {
    local kernel=$root/build/kernel package
    if [[ ! -d $kernel/boot ]]; then
        heading "Getting Debian's kernel" >&2
        package=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p')
        mkdir -p "$kernel"
        (cd "$kernel" && apt-get download --quiet --quiet "$package" && dpkg-deb -x ./*.deb . && rm ./*.deb) >&2
    fi
    printf '%s\n' "$kernel"
}

# What finds the disk of an emulated machine, and goes on with the systemd that is there: into FILE.
make_initrd() { # make_initrd KERNEL FILE
    local module begin
    local modules=(virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk crc16 mbcache jbd2
        crc32c_generic ext4)
    begin=$(mktemp -d)
    mkdir -p "$begin"/{bin,proc,dev,root,modules}
    cp "$(command -v busybox)" "$begin/bin/"
    for module in "${modules[@]}"; do
        cp "$(find "$1/lib/modules" -name "$module.ko")" "$begin/modules/"
    done
    cat >"$begin/init" <<INIT
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for module in ${modules[*]}; do /bin/busybox insmod /modules/\$module.ko; done
/bin/busybox mount -t ext4 /dev/vda /root || /bin/busybox poweroff -f
exec /bin/busybox switch_root /root /lib/systemd/systemd
INIT
    chmod +x "$begin/init"
    (cd "$begin" && find . | cpio --create --format=newc --quiet | gzip -1) >"$2"
    rm -r "$begin"
}

# Runs it, for so many seconds at most; its console is standard output.
run_machine() { # run_machine KERNEL INITRD DISK SECONDS
    timeout --kill-after=5 "$4" qemu-system-x86_64 -accel tcg,thread=multi -smp 2 -cpu max -m 1024 \
        -nodefaults -no-reboot -display none -monitor none -serial stdio \
        -kernel "$1"/boot/vmlinuz-* -initrd "$2" \
        -append "console=ttyS0 panic=-1 quiet systemd.show_status=no mitigations=off" \
        -drive "file=$3,format=raw,if=virtio,cache=unsafe" </dev/null
}
