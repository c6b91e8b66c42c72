# shellcheck shell=bash
# A Debian system to change and to forget. Sourced, as root, by scripts that take their arguments again.

# shellcheck source=../lab/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lab/lib.sh"
# shellcheck source=../lab/kernels.sh
. "$LAB_DIR/kernels.sh"
# shellcheck source=../lab/trees.sh
. "$LAB_DIR/trees.sh"

# open_system SUITE PURPOSE SCRIPT ARGUMENT...: a system as tree_dir() has it, at $scratch/system. What
# is changed there, and else in $scratch, is in memory, and gone with SCRIPT, which starts again.
open_system() {
  local tree
  # Mounts made from here on are the script's alone.
  [[ -n ${KVMX_OWN_MOUNTS:-} ]] || KVMX_OWN_MOUNTS=yes exec unshare --mount --propagation private -- "${@:3}"
  tree=$(tree_dir "$1" "$2")
  scratch=$(mktemp -d)
  trap 'umount -R "$scratch/system" 2>/dev/null; umount "$scratch" 2>/dev/null; rmdir "$scratch"' EXIT
  mount -t tmpfs -o size=4g tmpfs "$scratch"
  mkdir "$scratch"/{system,upper,work}
  mount -t overlay -o "lowerdir=$tree,upperdir=$scratch/upper,workdir=$scratch/work" overlay "$scratch/system"
  mount -t proc proc "$scratch/system/proc"
  mount --rbind /dev "$scratch/system/dev"
}

in_system() { chroot "$scratch/system" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root "$@"; }
