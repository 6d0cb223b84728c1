/**
 * What the API takes and answers, in JSON Schema: serve/api_schemas.json, built in. A string
 * "=NAME" there stands for the value of that macro (serve/openapi.c). Inside of serve/openapi.c.
 */
#ifndef MQ_SERVE_API_SCHEMAS_H
#define MQ_SERVE_API_SCHEMAS_H

struct mq_api_schema_file {
    const char *name, *text;
};

/** One file, then NULL. */
extern const struct mq_api_schema_file mq_api_schema_files[];

#endif
