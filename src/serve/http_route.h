/**
 * Routes of a server: one table that routing, checking of parameters, scopes and the OpenAPI
 * description come from.
 *
 * A path may hold parameters, "/v1/users/{id}/features": each stands for one segment, whatever is
 * percent-encoded in it. Query parameters are those of the table, each at most once; they are
 * checked against it before the handler runs, so that a handler only sees values that are allowed.
 *
 * Threads: a table is static; a match belongs to one thread at a time.
 */
#ifndef MQ_SERVE_HTTP_ROUTE_H
#define MQ_SERVE_HTTP_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "marquee/status.h"

struct mq_http_request;

/** Most routes of a server, and parameters of one route. */
#define MQ_HTTP_ROUTES_MAX 64
#define MQ_HTTP_PARAMETERS_MAX 16
/** Longest value of a parameter in bytes, decoded. */
#define MQ_HTTP_VALUE_MAX 4096

/** An answer that a route may give, for its description. */
struct mq_http_outcome {
    int status; /**< 0 ends a list */
    const char *help;
    const char *schema; /**< name of a component of the description, or a media type; NULL: Error */
};

enum mq_http_parameter_type {
    MQ_HTTP_TEXT = 0,
    MQ_HTTP_INT,
    MQ_HTTP_FLAG,   /**< true, false, 1, 0; nothing behind the name is true */
    MQ_HTTP_CHOICE, /**< one of `choices` */
};

/** A parameter; a row with a NULL name ends a list. */
struct mq_http_parameter {
    const char *name;
    enum mq_http_parameter_type type;
    bool in_path;
    bool required;            /**< of the query; those of a path always are */
    int64_t least, most;      /**< INT; TEXT: characters (bytes); both 0: 1…MQ_HTTP_VALUE_MAX */
    const char *choices;      /**< "a|b" */
    const char *default_text; /**< NULL: none */
    const char *help;
    const char *example; /**< for the description; NULL: none */
};

/** One row of the table. */
struct mq_http_route {
    const char *method, *path; /**< "POST", "/v1/events"; GET answers HEAD too */
    const char *name;          /**< operationId */
    const char *summary, *help;
    uint32_t scope;          /**< a bit that authorise knows; 0: open to all */
    const char *body_schema; /**< component of the JSON body; NULL: takes no body */
    const struct mq_http_outcome *outcomes;
    /** Must answer or defer. @param context of the server */
    void (*handle)(struct mq_http_request *request, void *context);
    const struct mq_http_parameter *parameters; /**< NULL: none */
};

/** Values of a request's parameters, as far as given; texts live in the match. */
struct mq_http_match {
    const struct mq_http_route *route;
    char *texts; /* the request's target, taken apart in place; owned */
    const char *values[MQ_HTTP_PARAMETERS_MAX]; /* by place in route->parameters; NULL: not given */
    size_t sizes[MQ_HTTP_PARAMETERS_MAX];
};

void mq_http_match_release(struct mq_http_match *match);

/** Why a request finds no route, or is refused. */
struct mq_http_refusal {
    int status;       /**< 400, 404, 405, 414 */
    const char *code; /**< static: "not-found" */
    char message[512];
    char allow[64]; /**< 405: methods of the path */
};

/**
 * Find the route of a request and take its parameters.
 * @param target path and query as sent
 * @param ret_match empty; filled also where a parameter is refused (route alone is set then)
 * @return false with *ret_refusal
 */
bool mq_http_route_match(const struct mq_http_route *routes, size_t route_count, const char *method,
                         const char *target, struct mq_http_match *ret_match,
                         struct mq_http_refusal *ret_refusal);

/** A parameter's value, or its default, or NULL. The name must be one of the route's (asserted). */
const char *mq_http_match_text(const struct mq_http_match *match, const char *name,
                               size_t *ret_size);
/** As a number; checked already. @return false: neither value nor default */
bool mq_http_match_int(const struct mq_http_match *match, const char *name, int64_t *ret_value);
/** As a flag; false where neither given nor true by default. */
bool mq_http_match_flag(const struct mq_http_match *match, const char *name);
/** Index of a CHOICE among its choices; -1: neither value nor default. */
int mq_http_match_choice(const struct mq_http_match *match, const char *name);

#endif
