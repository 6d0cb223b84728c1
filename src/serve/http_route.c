#include "serve/http_route.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/memory.h"
#include "format/utf8.h"

void
mq_http_match_release(struct mq_http_match *match)
{
    free(match->texts);
    *match = (struct mq_http_match){0};
}

static bool refuse(struct mq_http_refusal *refusal, int status, const char *code,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

static bool
refuse(struct mq_http_refusal *refusal, int status, const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(refusal->message, sizeof(refusal->message), format, args);
    va_end(args);
    refusal->status = status;
    refusal->code = code;
    return false;
}

/* ---- text --------------------------------------------------------------------------------- */

/* Decode in place. @return the new size; SIZE_MAX: a broken escape, or no text */
static size_t
decode(char *text, size_t size, bool plus_is_blank)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c == '%') {
            int high = i + 2 < size ? mq_hex_digit(text[i + 1]) : -1;
            int low = high >= 0 ? mq_hex_digit(text[i + 2]) : -1;
            if (low < 0)
                return SIZE_MAX;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        if (c == '\0')
            return SIZE_MAX;
        text[n++] = c;
    }
    text[n] = '\0';
    return mq_utf8_valid(text, n) ? n : SIZE_MAX;
}

static const struct mq_http_parameter *
find_parameter(const struct mq_http_route *route, const char *name, size_t size, size_t *ret_place)
{
    for (size_t i = 0; route->parameters != NULL && route->parameters[i].name != NULL; i++) {
        const struct mq_http_parameter *p = &route->parameters[i];
        if (strlen(p->name) == size && memcmp(p->name, name, size) == 0) {
            *ret_place = i;
            return p;
        }
    }
    return NULL;
}

/* ---- values ------------------------------------------------------------------------------- */

static int
choice_index(const char *choices, const char *value)
{
    size_t size = strlen(value);
    int index = 0;
    for (const char *at = choices;; index++) {
        size_t n = strcspn(at, "|");
        if (n == size && memcmp(at, value, size) == 0)
            return index;
        if (at[n] == '\0')
            return -1;
        at += n + 1;
    }
}

static bool
parse_int(const char *text, int64_t *ret_value)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*text == '\0' || strchr(" \t\n\v\f\r+", *text) != NULL || *end != '\0' || errno != 0)
        return false;
    *ret_value = value;
    return true;
}

static bool
is_true(const char *text)
{
    return *text == '\0' || strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
}

static bool
check_value(const struct mq_http_parameter *p, const char *value, size_t size,
            struct mq_http_refusal *refusal)
{
    int64_t number, least = p->least, most = p->most;
    switch (p->type) {
    case MQ_HTTP_INT:
        if (!parse_int(value, &number) || number < least || number > most)
            return refuse(refusal, 400, "bad-parameter",
                          "%s is '%.64s' (allowed: a whole number from %" PRId64 " to %" PRId64 ")",
                          p->name, value, least, most);
        return true;
    case MQ_HTTP_FLAG:
        if (!is_true(value) && strcmp(value, "false") != 0 && strcmp(value, "0") != 0)
            return refuse(refusal, 400, "bad-parameter", "%s is '%.64s' (allowed: true, false)",
                          p->name, value);
        return true;
    case MQ_HTTP_CHOICE:
        if (choice_index(p->choices, value) < 0)
            return refuse(refusal, 400, "bad-parameter", "%s is '%.64s' (allowed: %s)", p->name,
                          value, p->choices);
        return true;
    case MQ_HTTP_TEXT:
        break;
    }
    if (least == 0 && most == 0) {
        least = 1;
        most = MQ_HTTP_VALUE_MAX;
    }
    if ((int64_t)size < least || (int64_t)size > most)
        return refuse(refusal, 400, "bad-parameter",
                      "%s has %zu bytes (allowed: %" PRId64 " to %" PRId64 ")", p->name, size,
                      least, most);
    return true;
}

static bool
take_value(struct mq_http_match *match, size_t place, char *text, size_t size, bool in_query,
           struct mq_http_refusal *refusal)
{
    const struct mq_http_parameter *p = &match->route->parameters[place];
    if (match->values[place] != NULL)
        return refuse(refusal, 400, "bad-parameter", "%s is given twice", p->name);
    size = decode(text, size, in_query);
    if (size == SIZE_MAX)
        return refuse(refusal, 400, "bad-parameter",
                      "%s is not percent-encoded UTF-8 without zero bytes", p->name);
    match->values[place] = text;
    match->sizes[place] = size;
    return check_value(p, text, size, refusal);
}

/* ---- paths -------------------------------------------------------------------------------- */

/* Whether a path is one of a pattern: segments alike, but for parameters, which are not empty. */
static bool
path_fits(const char *pattern, const char *path)
{
    while (*pattern != '\0' && *path != '\0') {
        if (*pattern == '{') {
            size_t n = strcspn(path, "/");
            if (n == 0)
                return false;
            path += n;
            pattern += strcspn(pattern, "}") + 1;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *pattern == '\0' && *path == '\0';
}

/* Take the values of a path that fits; segments are ended in place. */
static bool
take_path(struct mq_http_match *match, char *path, struct mq_http_refusal *refusal)
{
    const char *pattern = match->route->path;
    while (*pattern != '\0') {
        if (*pattern != '{') {
            pattern++;
            path++;
            continue;
        }
        size_t name_size = strcspn(pattern + 1, "}"), size = strcspn(path, "/"), place = 0;
        const struct mq_http_parameter *p =
            find_parameter(match->route, pattern + 1, name_size, &place);
        assert(p != NULL && p->in_path);
        (void)p;
        pattern += name_size + 2;
        char *segment = path;
        path += size;
        bool more = *path == '/';
        *path = '\0'; /* a slash is skipped below; the terminator stays */
        if (!take_value(match, place, segment, size, false, refusal))
            return false;
        if (more) {
            path++;
            pattern++;
        }
    }
    return true;
}

/* ---- queries ------------------------------------------------------------------------------ */

static bool
unknown_parameter(const struct mq_http_route *route, const char *name, size_t size,
                  struct mq_http_refusal *refusal)
{
    char known[256] = "";
    for (size_t i = 0; route->parameters != NULL && route->parameters[i].name != NULL; i++) {
        size_t n = strlen(known);
        if (!route->parameters[i].in_path)
            snprintf(known + n, sizeof(known) - n, "%s%s", n > 0 ? ", " : "",
                     route->parameters[i].name);
    }
    return refuse(refusal, 400, "unknown-parameter", "no parameter '%.*s' (known: %s)",
                  (int)MQ_MIN(size, (size_t)64), name, known[0] != '\0' ? known : "none");
}

static bool
take_query(struct mq_http_match *match, char *query, struct mq_http_refusal *refusal)
{
    while (*query != '\0') {
        size_t size = strcspn(query, "&"), name_size = MQ_MIN(strcspn(query, "="), size), place;
        char *next = query + size + (query[size] == '&');
        const struct mq_http_parameter *p = find_parameter(match->route, query, name_size, &place);
        query[size] = '\0';
        if (size > 0 && (p == NULL || p->in_path))
            return unknown_parameter(match->route, query, name_size, refusal);
        bool has_value = name_size < size;
        if (size > 0 && !take_value(match, place, has_value ? query + name_size + 1 : query + size,
                                    has_value ? size - name_size - 1 : 0, true, refusal))
            return false;
        query = next;
    }
    for (size_t i = 0; match->route->parameters != NULL && match->route->parameters[i].name != NULL;
         i++) {
        const struct mq_http_parameter *p = &match->route->parameters[i];
        if (p->required && match->values[i] == NULL)
            return refuse(refusal, 400, "missing-parameter", "%s is missing: %s", p->name, p->help);
    }
    return true;
}

/* ---- routes ------------------------------------------------------------------------------- */

bool
mq_http_route_match(const struct mq_http_route *routes, size_t route_count, const char *method,
                    const char *target, struct mq_http_match *ret_match,
                    struct mq_http_refusal *ret_refusal)
{
    bool is_head = strcmp(method, "HEAD") == 0;
    *ret_refusal = (struct mq_http_refusal){0};
    *ret_match = (struct mq_http_match){.texts = mq_strdup(target)};
    if (ret_match->texts == NULL)
        return refuse(ret_refusal, 503, "no-memory", "no memory for the request");
    char *path = ret_match->texts, *query = path + strcspn(path, "?");
    if (*query == '?')
        *query++ = '\0';
    const struct mq_http_route *found = NULL;
    for (size_t i = 0; found == NULL && i < route_count; i++) {
        const struct mq_http_route *route = &routes[i];
        if (!path_fits(route->path, path))
            continue;
        if (strcmp(route->method, is_head ? "GET" : method) == 0) {
            found = route;
        } else {
            size_t n = strlen(ret_refusal->allow);
            snprintf(ret_refusal->allow + n, sizeof(ret_refusal->allow) - n, "%s%s",
                     n > 0 ? ", " : "", route->method);
        }
    }
    ret_match->route = found;
    if (found == NULL && ret_refusal->allow[0] == '\0')
        return refuse(ret_refusal, 404, "not-found", "no such path: %.200s", path);
    if (found == NULL)
        return refuse(ret_refusal, 405, "method-not-allowed", "%.200s takes %s", path,
                      ret_refusal->allow);
    return take_path(ret_match, path, ret_refusal) && take_query(ret_match, query, ret_refusal);
}

const char *
mq_http_match_text(const struct mq_http_match *match, const char *name, size_t *ret_size)
{
    size_t place = 0;
    const struct mq_http_parameter *p = find_parameter(match->route, name, strlen(name), &place);
    assert(p != NULL);
    bool given = match->values[place] != NULL;
    const char *text = given ? match->values[place] : p->default_text;
    if (ret_size != NULL)
        *ret_size = given ? match->sizes[place] : text != NULL ? strlen(text) : 0;
    return text;
}

bool
mq_http_match_int(const struct mq_http_match *match, const char *name, int64_t *ret_value)
{
    const char *text = mq_http_match_text(match, name, NULL);
    return text != NULL && parse_int(text, ret_value);
}

bool
mq_http_match_flag(const struct mq_http_match *match, const char *name)
{
    const char *text = mq_http_match_text(match, name, NULL);
    return text != NULL && is_true(text);
}

int
mq_http_match_choice(const struct mq_http_match *match, const char *name)
{
    size_t place = 0;
    const struct mq_http_parameter *p = find_parameter(match->route, name, strlen(name), &place);
    const char *text = mq_http_match_text(match, name, NULL);
    return text != NULL ? choice_index(p->choices, text) : -1;
}
