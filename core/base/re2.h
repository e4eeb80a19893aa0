/* re2.h -- Regular expressions, by the RE2 library: their meaning is its own, their time linear.
 *
 * Ownership: mg_re2_new() makes one, mg_re2_free() ends it; texts are only read.
 * Errors:    a pattern that is none, or that needs too large a program, is refused when it is made;
 *            after that nothing can fail.
 * Invariant: the time of a match is linear in the text and its memory bounded, whatever the pattern:
 *            there is no backtracking, hence neither look-around nor back references.
 */
#ifndef MG_RE2_H
#define MG_RE2_H
#include "moongate.h"

#ifdef __cplusplus
extern "C" {
#endif
/* NULL: *why says what is wrong with the pattern, until the next call. */
struct mg_regex *mg_re2_new(mg_str pattern, mg_str *why);
void mg_re2_free(struct mg_regex *re); /* NULL is fine */
/* Whether the whole text matches, and whether some part of it does. */
bool mg_re2_match(const struct mg_regex *re, const char *text, uint32_t len);
bool mg_re2_find(const struct mg_regex *re, const char *text, uint32_t len);
/* Whether mg_re2_replace() can take this rewrite; if not, *why says why, until the next call. */
bool mg_re2_check(const struct mg_regex *re, mg_str rewrite, mg_str *why);
/* Every match in the text replaced by `rewrite`, in which \0 is the match and \1 to \9 its groups.
 * *out is good until the next call.  The number of matches; negative for a rewrite that
 * mg_re2_check() refuses. */
int mg_re2_replace(const struct mg_regex *re, mg_str text, mg_str rewrite, mg_str *out);
#ifdef __cplusplus
}
#endif
#endif
