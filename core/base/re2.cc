#include "base/re2.h"

#include <new>
#include <string>

#include <re2/re2.h>

/* RE2 gives two thirds of its memory to a program, a quarter of which may be instructions of 16 bytes: this allows
 * 32768 of them, as Istio does.  The rest is a cache, which is begun anew when it is full. */
static const int64_t MAX_MEMORY = 3 << 20;

struct mg_regex {
    re2::RE2 re;

    mg_regex(re2::StringPiece pattern, const re2::RE2::Options &options) : re(pattern, options)
    {
    }
};

static re2::StringPiece piece(mg_str s)
{
    return re2::StringPiece(s.ptr, s.len);
}

/* What the out-parameters of the last call point into: a worker has one thread that asks. */
static mg_str kept(const std::string &text)
{
    static std::string last;

    last = text;
    return {last.data(), static_cast<uint32_t>(last.size())};
}

struct mg_regex *mg_re2_new(mg_str pattern, mg_str *why)
{
    re2::RE2::Options options;
    struct mg_regex *made;

    options.set_log_errors(false);
    options.set_max_mem(MAX_MEMORY);
    made = new (std::nothrow) mg_regex(piece(pattern), options);
    if (made != nullptr && made->re.ok())
        return made;
    *why = kept(made != nullptr ? made->re.error() : "no memory");
    delete made;
    return nullptr;
}

void mg_re2_free(struct mg_regex *re)
{
    delete re;
}

bool mg_re2_match(const struct mg_regex *re, const char *text, uint32_t len)
{
    return re->re.Match(re2::StringPiece(text, len), 0, len, re2::RE2::ANCHOR_BOTH, nullptr, 0);
}

bool mg_re2_find(const struct mg_regex *re, const char *text, uint32_t len)
{
    return re->re.Match(re2::StringPiece(text, len), 0, len, re2::RE2::UNANCHORED, nullptr, 0);
}

bool mg_re2_check(const struct mg_regex *re, mg_str rewrite, mg_str *why)
{
    std::string error;

    if (re->re.CheckRewriteString(piece(rewrite), &error))
        return true;
    *why = kept(error);
    return false;
}

int mg_re2_replace(const struct mg_regex *re, mg_str text, mg_str rewrite, mg_str *out)
{
    std::string changed(text.ptr, text.len);
    int count;

    if (re2::RE2::MaxSubmatch(piece(rewrite)) > re->re.NumberOfCapturingGroups())
        return MG_EINVAL;
    count = re2::RE2::GlobalReplace(&changed, re->re, piece(rewrite));
    *out = kept(changed);
    return count;
}
