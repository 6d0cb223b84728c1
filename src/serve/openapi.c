/* The OpenAPI 3.1 description from the route table and the event's schema. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/event_schema.h"
#include "format/json.h"
#include "serve/api_parts.h"
#include "serve/api_schemas.h"

#ifndef MQ_VERSION
#define MQ_VERSION "0"
#endif

static json_t *
reference(const char *component)
{
    char path[128];
    snprintf(path, sizeof(path), "#/components/schemas/%s", component);
    return json_pack("{s:s}", "$ref", path);
}

/* A component's name begins with a capital; anything else is a media type. */
static json_t *
content(const char *schema)
{
    if (schema == NULL)
        return json_pack("{s:{s:o}}", "application/json", "schema", reference("Error"));
    if (schema[0] >= 'A' && schema[0] <= 'Z')
        return json_pack("{s:{s:o}}", "application/json", "schema", reference(schema));
    bool is_json = strcmp(schema, "application/json") == 0;
    return json_pack("{s:{s:{s:s}}}", schema, "schema", "type", is_json ? "object" : "string");
}

static json_t *
answer_headers(int status)
{
    json_t *headers = json_pack("{s:{s:s, s:{s:s}}}", "X-Request-Id", "description",
                                "The request's id, also in the logs.", "schema", "type", "string");
    if (status == 429 || status == 503)
        json_object_set_new(headers, "Retry-After",
                            json_pack("{s:s, s:{s:s}}", "description",
                                      "Seconds to wait before the next try.", "schema", "type",
                                      "integer"));
    return headers;
}

/* Of "a|b|c". */
static json_t *
choices_of(const char *text)
{
    json_t *choices = json_array();
    while (*text != '\0') {
        size_t n = strcspn(text, "|");
        json_array_append_new(choices, json_stringn(text, n));
        text += n + (text[n] == '|');
    }
    return choices;
}

static json_t *
parameter(const struct mq_http_parameter *p)
{
    static const char *const types[] = {"string", "integer", "boolean", "string"};
    json_t *schema = json_pack("{s:s}", "type", types[p->type]);
    if (p->type == MQ_HTTP_INT) {
        json_object_set_new(schema, "minimum", json_integer(p->least));
        json_object_set_new(schema, "maximum", json_integer(p->most));
    }
    if (p->type == MQ_HTTP_TEXT) {
        bool any = p->least == 0 && p->most == 0;
        json_object_set_new(schema, "minLength", json_integer(any ? 1 : p->least));
        json_object_set_new(schema, "maxLength", json_integer(any ? MQ_HTTP_VALUE_MAX : p->most));
    }
    if (p->type == MQ_HTTP_CHOICE) {
        json_object_set_new(schema, "enum", choices_of(p->choices));
    }
    if (p->default_text != NULL)
        json_object_set_new(schema, "default",
                            p->type == MQ_HTTP_INT    ? json_integer(atoll(p->default_text))
                            : p->type == MQ_HTTP_FLAG ? json_boolean(p->default_text[0] == 't')
                                                      : json_string(p->default_text));
    json_t *value = json_pack(
        "{s:s, s:s, s:b, s:s, s:o}", "name", p->name, "in", p->in_path ? "path" : "query",
        "required", (int)(p->in_path || p->required), "description", p->help, "schema", schema);
    if (p->example != NULL)
        json_object_set_new(value, "example",
                            p->type == MQ_HTTP_INT ? json_integer(atoll(p->example))
                                                   : json_string(p->example));
    return value;
}

static void
add_answer(json_t *responses, const struct mq_http_outcome *outcome)
{
    char code[16];
    snprintf(code, sizeof(code), "%d", outcome->status);
    json_object_set_new(responses, code,
                        json_pack("{s:s, s:o, s:o}", "description", outcome->help, "headers",
                                  answer_headers(outcome->status), "content",
                                  content(outcome->schema)));
}

/* What any route may answer before a handler sees the request. */
static void
add_early_answers(json_t *responses)
{
    static const struct mq_http_outcome answers[] = {
        {414, "The path and its query are longer than the server takes.", NULL},
        {431, "The headers are longer than the server takes.", NULL}};
    for (size_t i = 0; i < MQ_COUNT(answers); i++)
        add_answer(responses, &answers[i]);
}

static json_t *
operation(const struct mq_http_route *route)
{
    json_t *responses = json_object();
    for (const struct mq_http_outcome *o = route->outcomes; o->status != 0; o++)
        add_answer(responses, o);
    add_early_answers(responses);
    json_t *value = json_pack("{s:s, s:s, s:s, s:o}", "operationId", route->name, "summary",
                              route->summary, "description", route->help, "responses", responses);
    if (route->parameters != NULL) {
        json_t *list = json_array();
        for (const struct mq_http_parameter *p = route->parameters; p->name != NULL; p++)
            json_array_append_new(list, parameter(p));
        json_object_set_new(value, "parameters", list);
    }
    if (route->body_schema != NULL)
        json_object_set_new(
            value, "requestBody",
            json_pack("{s:b, s:o}", "required", 1, "content", content(route->body_schema)));
    const char *scope = mq_scope_name(route->scope);
    json_object_set_new(value, "security",
                        scope != NULL ? json_pack("[{s:[s]}]", "token", scope) : json_array());
    return value;
}

/* A limit that serve/api_schemas.json names, or -1. */
static json_int_t
limit_named(const char *name)
{
    static const struct {
        const char *name;
        json_int_t value;
    } limits[] = {
        {"MQ_API_EVENTS_MAX", MQ_API_EVENTS_MAX},
        {"MQ_API_RATED_MAX", MQ_API_RATED_MAX},
        {"MQ_API_LIST_MAX", MQ_API_LIST_MAX},
        {"MQ_API_OFFSET_MAX", MQ_API_OFFSET_MAX},
        {"MQ_API_CANDIDATES_MAX", MQ_API_CANDIDATES_MAX},
    };
    for (size_t i = 0; i < MQ_COUNT(limits); i++)
        if (strcmp(limits[i].name, name) == 0)
            return limits[i].value;
    return -1;
}

/* Put limits where their names stand. */
static void
set_limits(json_t *value)
{
    const char *key;
    json_t *member;
    size_t i;
    json_object_foreach(value, key, member)
    {
        const char *text = json_string_value(member);
        if (text != NULL && text[0] == '=')
            json_object_set_new(value, key, json_integer(limit_named(text + 1)));
        else
            set_limits(member);
    }
    json_array_foreach(value, i, member) set_limits(member);
}

static json_t *
components(void)
{
    json_t *schemas = json_loads(mq_api_schema_files[0].text, 0, NULL);
    set_limits(schemas);
    json_object_set_new(schemas, "Event", mq_event_schema(false));
    json_object_set_new(
        schemas, "Method",
        json_pack("{s:s, s:o}", "type", "string", "enum", choices_of(MQ_METHOD_CHOICES)));
    return json_pack("{s:o, s:{s:{s:s, s:s, s:s}}}", "schemas", schemas, "securitySchemes", "token",
                     "type", "http", "scheme", "bearer", "description",
                     "Made by `marquee token create`.");
}

char *
mq_api_description(const struct mq_http_route *routes, size_t count)
{
    mq_autojson json_t *root = json_pack(
        "{s:s, s:{s:s, s:s, s:s, s:{s:s, s:s}}, s:{}, s:o}", "openapi", "3.1.0", "info", "title",
        "Marquee", "version", MQ_VERSION, "description",
        "User events in, recommendations out. Errors are JSON with code, message and request id.",
        "license", "name", "Apache-2.0", "identifier", "Apache-2.0", "paths", "components",
        components());
    if (root == NULL)
        return NULL;
    json_t *paths = json_object_get(root, "paths");
    for (size_t i = 0; i < count; i++) {
        json_t *path = json_object_get(paths, routes[i].path);
        if (path == NULL) {
            path = json_object();
            json_object_set_new(paths, routes[i].path, path);
        }
        bool is_post = strcmp(routes[i].method, "POST") == 0;
        json_object_set_new(path, is_post ? "post" : "get", operation(&routes[i]));
    }
    struct mq_buffer text = {0};
    char *description = NULL;
    if (mq_json_dump(root, MQ_JSON_INDENTED, &text, NULL) == MQ_OK &&
        mq_buffer_append_char(&text, '\n', NULL) == MQ_OK)
        description = mq_buffer_take(&text);
    mq_buffer_release(&text);
    return description;
}
