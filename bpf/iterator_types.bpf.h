/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the iterators over tasks and their open files get, beside the types of kvm_types.bpf.h. */
#ifndef KVMX_ITERATOR_TYPES_BPF_H
#define KVMX_ITERATOR_TYPES_BPF_H

#include "kvm_types.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* Open files, and the context of an iterator over those of all tasks, which Linux has since 5.8. */

struct super_block {
  unsigned long s_magic;
};

struct inode {
  struct super_block *i_sb;
};

struct qstr {
  const unsigned char *name;
};

struct dentry {
  struct qstr d_name;
};

struct path {
  struct dentry *dentry;
};

struct file {
  struct path f_path;
  struct inode *f_inode;
  void *private_data;
};

struct bpf_iter_meta {
  struct seq_file *seq;
};

struct bpf_iter__task_file {
  struct bpf_iter_meta *meta;
  struct task_struct *task;
  struct file *file;
};

struct bpf_iter__task {
  struct bpf_iter_meta *meta;
  struct task_struct *task;
};

#pragma clang attribute pop

#endif
