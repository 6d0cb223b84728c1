/* The OpenAPI 3.1 description from the route table and the event's schema. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/event_schema.h"
#include "format/json.h"
#include "serve/api_parts.h"

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

#define TEXT(macro) TEXT_OF(macro)
#define TEXT_OF(value) #value

/* What recommending takes and answers, in JSON Schema as it stands. */
static const char *const recommend_schemas[][2] = {
    {"Film", "{\"type\":\"object\",\"required\":[\"item\",\"title\"],\"properties\":{"
             "\"item\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},"
             "\"year\":{\"type\":\"integer\"}}}"},
    {"Because", "{\"type\":\"object\",\"description\":\"The figures behind a reason.\","
                "\"required\":[\"method\"],\"properties\":{\"method\":{\"type\":\"string\"},"
                "\"item\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},"
                "\"likeness\":{\"type\":\"number\"},\"rating\":{\"type\":\"number\"},"
                "\"people\":{\"type\":\"integer\"},\"films_agreed\":{\"type\":\"integer\"},"
                "\"people_rating\":{\"type\":\"number\"}}}"},
    {"Recommendation",
     "{\"allOf\":[{\"$ref\":\"#/components/schemas/Film\"}],\"type\":\"object\","
     "\"required\":[\"kind\",\"score\",\"position\"],\"properties\":{"
     "\"kind\":{\"enum\":[\"recommend\",\"diversity\"]},"
     "\"score\":{\"type\":\"number\",\"minimum\":0,\"maximum\":1},"
     "\"position\":{\"type\":\"integer\",\"minimum\":0},"
     "\"recall\":{\"type\":\"number\"},\"quality\":{\"type\":\"number\"},"
     "\"place\":{\"type\":\"integer\"},\"predicted_rating\":{\"type\":\"number\"},"
     "\"reason\":{\"type\":\"string\"},"
     "\"because\":{\"$ref\":\"#/components/schemas/Because\"},"
     "\"parts\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"number\"}},"
     "\"trace\":{\"type\":\"string\"}}}"},
    {"Recommendations",
     "{\"type\":\"object\",\"required\":[\"user\",\"type\",\"method\",\"model\",\"known\","
     "\"cold_start\",\"items\",\"unknown\"],\"properties\":{\"user\":{\"type\":\"string\"},"
     "\"type\":{\"enum\":[\"movie\",\"tv\"]},\"method\":{\"type\":\"string\"},"
     "\"model\":{\"type\":\"string\"},\"known\":{\"type\":\"boolean\"},"
     "\"cold_start\":{\"type\":\"boolean\"},\"ratings\":{\"type\":\"integer\"},"
     "\"offset\":{\"type\":\"integer\"},\"total\":{\"type\":\"integer\"},"
     "\"items\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/"
     "Recommendation\"}},"
     "\"unknown\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}"},
    {"Ranking",
     "{\"type\":\"object\",\"required\":[\"user\",\"method\",\"model\",\"known\","
     "\"cold_start\",\"items\",\"unknown\"],\"properties\":{\"user\":{\"type\":\"string\"},"
     "\"method\":{\"type\":\"string\"},\"model\":{\"type\":\"string\"},"
     "\"known\":{\"type\":\"boolean\"},\"cold_start\":{\"type\":\"boolean\"},"
     "\"items\":{\"type\":\"array\",\"items\":{"
     "\"type\":\"object\",\"required\":[\"item\",\"score\"],\"properties\":{"
     "\"item\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},"
     "\"score\":{\"type\":\"number\"},\"method_score\":{\"type\":[\"number\",\"null\"]},"
     "\"predicted_rating\":{\"type\":\"number\"},\"seen\":{\"type\":\"boolean\"}}}},"
     "\"unknown\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}"},
    {"Similar",
     "{\"allOf\":[{\"$ref\":\"#/components/schemas/Film\"}],\"type\":\"object\","
     "\"required\":[\"method\",\"model\",\"items\"],\"properties\":{"
     "\"method\":{\"type\":\"string\"},\"model\":{\"type\":\"string\"},"
     "\"items\":{\"type\":\"array\",\"items\":{\"allOf\":[{\"$ref\":\"#/components/schemas/"
     "Film\"}],\"type\":\"object\",\"required\":[\"similarity\"],\"properties\":{"
     "\"similarity\":{\"type\":\"number\"},\"shared_users\":{\"type\":\"integer\"}}}}}}"},
    {"Neighbours",
     "{\"type\":\"object\",\"required\":[\"user\",\"model\",\"known\",\"neighbours\"],"
     "\"properties\":{\"user\":{\"type\":\"string\"},\"model\":{\"type\":\"string\"},"
     "\"known\":{\"type\":\"boolean\"},\"neighbours\":{\"type\":\"array\",\"items\":{"
     "\"type\":\"object\",\"required\":[\"user\",\"likeness\"],\"properties\":{"
     "\"user\":{\"type\":\"string\"},\"likeness\":{\"type\":\"number\"},"
     "\"films_in_common\":{\"type\":\"integer\"}}}}}}"},
    {"Item", "{\"allOf\":[{\"$ref\":\"#/components/schemas/Film\"}],\"type\":\"object\","
             "\"required\":[\"type\",\"offered\"],\"properties\":{"
             "\"type\":{\"enum\":[\"movie\",\"tv\"]},\"offered\":{\"type\":\"boolean\"},"
             "\"average\":{\"type\":\"number\"},\"ratings\":{\"type\":\"integer\"}}}"},
    {"Features", "{\"type\":\"object\",\"required\":[\"user\",\"version\",\"features\"],"
                 "\"properties\":{\"user\":{\"type\":\"string\"},"
                 "\"version\":{\"type\":\"integer\"},\"features\":{\"type\":\"object\"}}}"},
    {"Explanation",
     "{\"allOf\":[{\"$ref\":\"#/components/schemas/Film\"}],\"type\":\"object\","
     "\"required\":[\"user\",\"method\",\"model\",\"verdict\"],\"properties\":{"
     "\"user\":{\"type\":\"string\"},\"method\":{\"type\":\"string\"},"
     "\"model\":{\"type\":\"string\"},\"verdict\":{\"enum\":[\"listed\",\"diversity\","
     "\"barred\",\"seen\",\"not-known\",\"ranked-lower\"]},"
     "\"predicted_rating\":{\"type\":\"number\"},\"reason\":{\"type\":\"string\"},"
     "\"because\":{\"$ref\":\"#/components/schemas/Because\"}}}"},
    {"Models", "{\"type\":\"object\",\"required\":[\"serving\",\"deployed\",\"models\"],"
               "\"properties\":{\"serving\":{\"type\":[\"string\",\"null\"]},"
               "\"deployed\":{\"type\":[\"string\",\"null\"]},\"problem\":{\"type\":"
               "\"string\",\"description\":\"why it is not known which is deployed\"},"
               "\"models\":{\"type\":\"array\","
               "\"items\":{\"type\":\"object\",\"required\":[\"version\",\"bytes\",\"newer\"],"
               "\"properties\":{\"version\":{\"type\":\"string\"},"
               "\"bytes\":{\"type\":\"integer\"},\"newer\":{\"type\":\"boolean\","
               "\"description\":\"a newer Marquee made it: it cannot serve here\"}}}}}}"},
    {"Reload", "{\"type\":\"object\",\"required\":[\"version\",\"previous\",\"seconds\"],"
               "\"properties\":{\"version\":{\"type\":\"string\"},"
               "\"previous\":{\"type\":[\"string\",\"null\"]},\"seconds\":{\"type\":\"number\"}}}"},
    {"RatedFilm",
     "{\"description\":\"A film that was watched: its id, or the id with how and when it was "
     "rated.\",\"oneOf\":[{\"type\":\"string\",\"minLength\":1},{\"type\":\"object\","
     "\"additionalProperties\":false,\"required\":[\"item\"],\"properties\":{\"item\":{\"type\":"
     "\"string\",\"minLength\":1},"
     "\"rating\":{\"type\":\"number\"},\"timestamp\":{\"type\":\"integer\",\"minimum\":0,"
     "\"maximum\":4294967295}}}]}"},
    {"SessionRequest",
     "{\"type\":\"object\",\"additionalProperties\":false,"
     "\"properties\":{\"user_id\":{\"type\":\"string\"},"
     "\"items\":{\"type\":\"array\",\"maxItems\":" TEXT(
         MQ_API_RATED_MAX) ","
                           "\"items\":{\"$ref\":\"#/components/schemas/RatedFilm\"}},"
                           "\"method\":{\"$ref\":\"#/components/schemas/Method\"},"
                           "\"type\":{\"enum\":[\"movie\",\"tv\"]},\"n\":{\"type\":\"integer\","
                           "\"minimum\":1,\"maximum\":"
                           "" TEXT(
                               MQ_API_LIST_MAX) "},"
                                                "\"offset\":{\"type\":\"integer\",\"minimum\":0,"
                                                "\"maximum\":" TEXT(
                                                    MQ_API_OFFSET_MAX) "},"
                                                                       "\"explain\":{\"type\":"
                                                                       "\"boolean\"},\"lang\":{"
                                                                       "\"enum\":[\"en\",\"zh\"]},"
                                                                       "\"exclude\":{\"type\":"
                                                                       "\"array\","
                                                                       "\"maxItems\":" TEXT(
                                                                           MQ_API_CANDIDATES_MAX) ",\"items\":{\"type\":\"string\","
                                                                                                  "\"minLength\":1}}}}"},
    {"RankRequest",
     "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"candidates\"],"
     "\"anyOf\":[{\"required\":[\"user_id\"],\"properties\":{\"user_id\":{\"minLength\":1}}},"
     "{\"required\":[\"items\"],\"properties\":{\"items\":{\"minItems\":1}}}],"
     "\"properties\":{"
     "\"user_id\":{\"type\":\"string\"},\"items\":{\"type\":\"array\",\"maxItems\":" TEXT(
         MQ_API_RATED_MAX) ","
                           "\"items\":{\"$ref\":\"#/components/schemas/RatedFilm\"}},"
                           "\"method\":{\"$ref\":\"#/components/schemas/"
                           "Method\"},\"candidates\":{\"type\":\"array\","
                           "\"minItems\":1,\"maxItems\":" TEXT(
                               MQ_API_CANDIDATES_MAX) ",\"items\":{\"type\":\"string\","
                                                      "\"minLength\":1}}}}"},
};

static void
add_recommend_schemas(json_t *schemas)
{
    for (size_t i = 0; i < MQ_COUNT(recommend_schemas); i++)
        json_object_set_new(schemas, recommend_schemas[i][0],
                            json_loads(recommend_schemas[i][1], 0, NULL));
    json_object_set_new(
        schemas, "Method",
        json_pack("{s:s, s:o}", "type", "string", "enum", choices_of(MQ_METHOD_CHOICES)));
}

static json_t *
components(void)
{
    json_t *schemas = json_object();
    json_object_set_new(schemas, "Event", mq_event_schema(false));
    json_object_set_new(schemas, "Events",
                        json_pack("{s:[o, {s:s, s:o, s:i, s:i}]}", "oneOf", reference("Event"),
                                  "type", "array", "items", reference("Event"), "minItems", 1,
                                  "maxItems", MQ_API_EVENTS_MAX));
    json_object_set_new(schemas, "ErrorText",
                        json_pack("{s:s, s:[ss], s:{s:{s:s}, s:{s:s}, s:{s:s, s:s}, s:{s:s}}}",
                                  "type", "object", "required", "code", "message", "properties",
                                  "code", "type", "string", "message", "type", "string", "place",
                                  "type", "string", "description", "JSON pointer into the body",
                                  "request_id", "type", "string"));
    json_object_set_new(schemas, "Error",
                        json_pack("{s:s, s:[s], s:{s:o}}", "type", "object", "required", "error",
                                  "properties", "error", reference("ErrorText")));
    json_object_set_new(schemas, "EventAnswer",
                        json_pack("{s:s, s:s, s:{s:{s:s, s:i}, s:{s:s, s:i}, s:o}}", "type",
                                  "object", "description", "Where the event is, or why it is not.",
                                  "properties", "partition", "type", "integer", "minimum", 0,
                                  "offset", "type", "integer", "minimum", 0, "error",
                                  reference("ErrorText")));
    json_object_set_new(schemas, "EventsAnswer",
                        json_pack("{s:s, s:{s:{s:s, s:s}, s:{s:s, s:s}, s:{s:s, s:s, s:o}, s:o}}",
                                  "type", "object", "properties", "taken", "type", "integer",
                                  "description", "events that are durable", "refused", "type",
                                  "integer", "description", "events that are not valid", "events",
                                  "type", "array", "description",
                                  "one for each event sent, in order", "items",
                                  reference("EventAnswer"), "error", reference("ErrorText")));
    json_object_set_new(schemas, "Status",
                        json_pack("{s:s, s:[s], s:{s:{s:s}}}", "type", "object", "required",
                                  "status", "properties", "status", "type", "string"));
    add_recommend_schemas(schemas);
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
    if (root != NULL && mq_json_dump(root, MQ_JSON_INDENTED, &text, NULL) == MQ_OK &&
        mq_buffer_append_char(&text, '\n', NULL) == MQ_OK)
        description = mq_buffer_take(&text);
    mq_buffer_release(&text);
    return description;
}
