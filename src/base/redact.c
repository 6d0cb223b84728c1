#include "base/redact.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"

#define HIDDEN "***"

/* Text that is written, cut at its size. */
struct output {
    char *text;
    size_t size, used;
};

static void
put(struct output *out, const char *bytes, size_t size)
{
    size_t n = MQ_MIN(size, out->size - 1 - out->used);
    memcpy(out->text + out->used, bytes, n);
    out->used += n;
    out->text[out->used] = '\0';
}

static bool
holds(const char *name, size_t size, const char *part)
{
    size_t n = strlen(part);
    for (size_t i = 0; i + n <= size; i++)
        if (strncasecmp(name + i, part, n) == 0)
            return true;
    return false;
}

static bool
ends_in(const char *name, size_t size, const char *end)
{
    size_t n = strlen(end);
    return size >= n && strncasecmp(name + size - n, end, n) == 0;
}

static bool
is_secret(const char *name, size_t size)
{
    static const char *const parts[] = {
        "password", "secret", "token", "credential", "passphrase", "jaas", "oauthbearer.config"};
    for (size_t i = 0; i < MQ_COUNT(parts); i++)
        if (holds(name, size, parts[i]))
            return true;
    return ends_in(name, size, "key") || ends_in(name, size, "pem");
}

/* Text in which addresses may stand: what is before an '@' goes, back to what opened it. */
static void
put_addresses(struct output *out, const char *text, size_t size)
{
    size_t begin = 0; /* of what may be a name and a password */
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '@') {
            put(out, HIDDEN, strlen(HIDDEN));
            begin = i;
        } else if (text[i] == '/' || text[i] == ',' || text[i] == '=' || text[i] == '&') {
            put(out, text + begin, i + 1 - begin);
            begin = i + 1;
        }
    }
    put(out, text + begin, size - begin);
}

/* "name=value" parted by any of the separators. */
static void
put_items(struct output *out, const char *text, const char *separators)
{
    while (*text != '\0') {
        size_t size = strcspn(text, separators), name = strcspn(text, "=");
        size_t blanks = strspn(text, " \t");
        if (name < size && is_secret(text + MQ_MIN(blanks, name), name - MQ_MIN(blanks, name))) {
            put(out, text, name + 1);
            put(out, HIDDEN, strlen(HIDDEN));
        } else {
            put_addresses(out, text, size);
        }
        text += size;
        put(out, text, *text != '\0');
        text += *text != '\0';
    }
}

void
mq_redact_uri(const char *uri, char *ret_text, size_t size)
{
    struct output out = {ret_text, size, 0};
    ret_text[0] = '\0';
    size_t before = strcspn(uri, "?");
    size_t scheme = strcspn(uri, ":/?"); /* "kafka:user:password@host" */
    scheme = uri[scheme] == ':' && scheme > 1 ? scheme + 1 : 0;
    put(&out, uri, scheme);
    if (scheme == 0 || strncmp(uri, "file:", scheme) == 0 || strncmp(uri, "lmdb:", scheme) == 0) {
        put(&out, uri + scheme, strlen(uri + scheme)); /* a path, which may hold anything */
        return;
    }
    put_addresses(&out, uri + scheme, before - scheme);
    put(&out, uri + before, uri[before] == '?');
    if (uri[before] == '?')
        put_items(&out, uri + before + 1, "&");
}

char *
mq_redacted_uri(const char *uri)
{
    size_t size = strlen(uri) * (strlen(HIDDEN) + 1) + sizeof(HIDDEN) + 1;
    char *text = malloc(size);
    if (text != NULL)
        mq_redact_uri(uri, text, size);
    return text;
}

void
mq_redact_properties(const char *properties, char *ret_text, size_t size)
{
    struct output out = {ret_text, size, 0};
    ret_text[0] = '\0';
    put_items(&out, properties, strchr(properties, '\n') != NULL ? "\n" : ";");
}
