// SPDX-License-Identifier: Apache-2.0
#include "exporter/web/civetweb/request_head.h"

#include <string.h>

struct text {
  const char *begin;
  size_t size;
};

/// Takes a line off the front of `head`, without its end, which may be a newline alone. No line is
/// there without an end, nor one that a carriage return splits for those who take it for an end.
static int take_line(struct text *head, struct text *line) {
  const char *end = head->size == 0 ? NULL : memchr(head->begin, '\n', head->size);
  if (!end) return 0;
  const size_t whole = (size_t)(end - head->begin) + 1;
  line->begin = head->begin;
  line->size = whole - 1;
  if (line->size > 0 && line->begin[line->size - 1] == '\r') --line->size;
  head->begin += whole;
  head->size -= whole;
  return line->size == 0 || !memchr(line->begin, '\r', line->size);
}

/// How many characters of a token (RFC 9110, 5.6.2) a line begins with.
static size_t token_size(const struct text *line) {
  const char *others = "!#$%&'*+-.^_`|~";
  size_t size = 0;
  for (; size < line->size; ++size) {
    const char c = line->begin[size];
    const int alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!alphanumeric && (c == '\0' || !strchr(others, c))) break;
  }
  return size;
}

/// A name and a colon right after it. Neither a line that goes on from the one before, nor a name
/// with a space behind it, which some take for the name and others do not (RFC 9112, 5.1 and 5.2).
static int is_field(const struct text *line) {
  const size_t name = token_size(line);
  return name > 0 && name < line->size && line->begin[name] == ':';
}

/// Words with the version as the last one. CivetWeb, which reads them, would go on in the next
/// line.
static int is_request_line(const struct text *line) {
  const char *version = " HTTP/";
  const size_t size = strlen(version) + strlen("1.1");
  return line->size > size && line->begin[0] != ' ' &&
         memcmp(line->begin + line->size - size, version, strlen(version)) == 0;
}

int kvmx_is_sound_head(const char *head, size_t size) {
  struct text left = {head, size};
  struct text line = {NULL, 0};
  do
    if (!take_line(&left, &line)) return 0;
  while (line.size == 0);  // some clients end the body before with a line more
  if (!is_request_line(&line)) return 0;
  do
    if (!take_line(&left, &line)) return 0;
  while (is_field(&line));
  return line.size == 0 && left.size == 0;
}
