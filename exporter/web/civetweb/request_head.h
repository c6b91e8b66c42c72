// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Whether the head of a request, up to and with the empty line that ends it, has a request line, a
/// field in each line after it, and no other empty line (RFC 9112, 2.2, 3 and 5). CivetWeb stops at
/// a line that is no field. A length or a coding after that line would go unseen, and the body be
/// taken for the next request.
int kvmx_is_sound_head(const char *head, size_t size);

#ifdef __cplusplus
}
#endif
