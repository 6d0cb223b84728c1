#include "format/yaml_document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/memory.h"
#include "base/strmap.h"

/* What a level of nesting waits for. */
enum expect { EXPECT_KEY, EXPECT_VALUE, EXPECT_ITEM };

struct level {
    enum expect expect;
    size_t path_size; /* of the key path before this level's key */
    bool has_items;
};

struct builder {
    const char *name;
    struct mq_yaml_document out;
    size_t capacity;
    struct mq_strmap keys; /* code i is entry i */
    struct level levels[MQ_YAML_DEPTH_MAX];
    int depth;
    struct mq_buffer path, text;
    int text_line;
    struct mq_error *err;
};

static enum mq_status
refuse(struct builder *b, enum mq_status code, const yaml_mark_t *mark, const char *what)
{
    return mq_fail(b->err, code, "cannot read YAML '%s': line %zu, column %zu: %s", b->name,
                   mark->line + 1, mark->column + 1, what);
}

static enum mq_status
add_entry(struct builder *b, const char *text, size_t size, const yaml_mark_t *mark)
{
    int32_t code;
    if (b->out.count == MQ_YAML_ENTRIES_MAX)
        return refuse(b, MQ_E_RANGE, mark, "more than 10000 settings");
    enum mq_status st = mq_strmap_add(&b->keys, b->path.data, b->path.size, &code, b->err);
    if (st != MQ_OK)
        return st;
    if ((size_t)code < b->out.count)
        return mq_fail(b->err, MQ_E_FORMAT,
                       "cannot read YAML '%s': line %zu: '%s' is set in line %d already", b->name,
                       mark->line + 1, b->path.data, b->out.entries[code].line);
    if (b->out.count == b->capacity) {
        size_t grown = b->capacity != 0 ? 2 * b->capacity : 64;
        struct mq_yaml_entry *entries = mq_arena_array(&b->out.arena, grown, sizeof(*entries));
        if (entries == NULL)
            return mq_fail(b->err, MQ_E_NOMEM, "cannot allocate %zu settings", grown);
        if (b->out.count > 0)
            memcpy(entries, b->out.entries, b->out.count * sizeof(*entries));
        b->out.entries = entries;
        b->capacity = grown;
    }
    char *key = mq_arena_copy(&b->out.arena, b->path.data, b->path.size);
    char *value = mq_arena_copy(&b->out.arena, text, size);
    if (key == NULL || value == NULL)
        return mq_fail(b->err, MQ_E_NOMEM, "cannot allocate a setting of %zu bytes", size);
    b->out.entries[b->out.count++] = (struct mq_yaml_entry){key, value, (int)mark->line + 1};
    return MQ_OK;
}

static enum mq_status
take_key(struct builder *b, struct level *level, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length;
    if (size == 0 || memchr(text, '\0', size) != NULL || memchr(text, '\n', size) != NULL)
        return refuse(b, MQ_E_FORMAT, &event->start_mark, "an empty or broken key");
    if (strcmp(text, "<<") == 0)
        return refuse(b, MQ_E_UNSUPPORTED, &event->start_mark, "merge keys are not read");
    b->path.size = level->path_size;
    enum mq_status st = level->path_size > 0 ? mq_buffer_append_char(&b->path, '.', b->err) : MQ_OK;
    if (st == MQ_OK)
        st = mq_buffer_append(&b->path, text, size, b->err);
    level->expect = EXPECT_VALUE;
    return st;
}

static enum mq_status
take_scalar(struct builder *b, const yaml_event_t *event)
{
    if (event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL)
        return refuse(b, MQ_E_UNSUPPORTED, &event->start_mark, "anchors and tags are not read");
    const char *text = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length;
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (b->depth == 0) {
        if (plain && size == 0)
            return MQ_OK; /* a document of comments alone */
        return refuse(b, MQ_E_FORMAT, &event->start_mark, "'key: value' lines are due");
    }
    struct level *level = &b->levels[b->depth - 1];
    if (level->expect == EXPECT_KEY)
        return take_key(b, level, event);
    if (memchr(text, '\0', size) != NULL)
        return refuse(b, MQ_E_FORMAT, &event->start_mark, "a value with a NUL byte");
    if (plain && (strcmp(text, "~") == 0 || strcmp(text, "null") == 0))
        size = 0;
    if (level->expect == EXPECT_VALUE) {
        level->expect = EXPECT_KEY;
        return add_entry(b, text, size, &event->start_mark);
    }
    if (memchr(text, ',', size) != NULL)
        return refuse(b, MQ_E_FORMAT, &event->start_mark, "a list element with a comma");
    enum mq_status st = level->has_items ? mq_buffer_append_char(&b->text, ',', b->err) : MQ_OK;
    level->has_items = true;
    return st != MQ_OK ? st : mq_buffer_append(&b->text, text, size, b->err);
}

static enum mq_status
begin_level(struct builder *b, const yaml_event_t *event, bool list, bool marked)
{
    if (marked)
        return refuse(b, MQ_E_UNSUPPORTED, &event->start_mark, "anchors and tags are not read");
    struct level *outer = b->depth > 0 ? &b->levels[b->depth - 1] : NULL;
    if ((outer == NULL && list) || (outer != NULL && outer->expect == EXPECT_ITEM))
        return refuse(b, MQ_E_UNSUPPORTED, &event->start_mark,
                      "lists hold plain values, under a key");
    if (outer != NULL && outer->expect == EXPECT_KEY)
        return refuse(b, MQ_E_UNSUPPORTED, &event->start_mark, "a key that is not plain");
    if (b->depth == MQ_YAML_DEPTH_MAX)
        return refuse(b, MQ_E_RANGE, &event->start_mark, "nested deeper than 16 levels");
    b->levels[b->depth++] =
        (struct level){.expect = list ? EXPECT_ITEM : EXPECT_KEY, .path_size = b->path.size};
    mq_buffer_reset(&b->text);
    return MQ_OK;
}

static enum mq_status
end_level(struct builder *b, const yaml_event_t *event)
{
    struct level *level = &b->levels[--b->depth];
    enum mq_status st = MQ_OK;
    if (level->expect == EXPECT_ITEM)
        st = add_entry(b, b->text.data != NULL ? b->text.data : "", b->text.size,
                       &event->start_mark);
    if (b->depth > 0)
        b->levels[b->depth - 1].expect = EXPECT_KEY;
    return st;
}

static enum mq_status
take_event(struct builder *b, const yaml_event_t *event, int *documents)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++*documents > 1)
            return refuse(b, MQ_E_UNSUPPORTED, &event->start_mark, "a second document");
        return MQ_OK;
    case YAML_ALIAS_EVENT:
        return refuse(b, MQ_E_UNSUPPORTED, &event->start_mark, "aliases are not read");
    case YAML_SCALAR_EVENT:
        return take_scalar(b, event);
    case YAML_MAPPING_START_EVENT:
        return begin_level(b, event, false,
                           event->data.mapping_start.anchor != NULL ||
                               event->data.mapping_start.tag != NULL);
    case YAML_SEQUENCE_START_EVENT:
        return begin_level(b, event, true,
                           event->data.sequence_start.anchor != NULL ||
                               event->data.sequence_start.tag != NULL);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        return end_level(b, event);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return MQ_OK;
}

enum mq_status
mq_yaml_parse(const char *text, size_t size, const char *name,
              struct mq_yaml_document *ret_document, struct mq_error *err)
{
    if (size > MQ_YAML_SIZE_MAX)
        return mq_fail(err, MQ_E_RANGE, "cannot read YAML '%s': %zu bytes (allowed: %zu)", name,
                       size, MQ_YAML_SIZE_MAX);
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a YAML parser");
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text != NULL ? text : ""), size);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    struct builder b = {.name = name, .err = err};
    enum mq_status st = mq_buffer_append_text(&b.path, "", err);
    int documents = 0;
    for (bool done = false; st == MQ_OK && !done;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            st = mq_fail(err, MQ_E_FORMAT, "cannot read YAML '%s': line %zu, column %zu: %s", name,
                         parser.problem_mark.line + 1, parser.problem_mark.column + 1,
                         parser.problem != NULL ? parser.problem : "no memory");
            break;
        }
        done = event.type == YAML_STREAM_END_EVENT;
        st = take_event(&b, &event, &documents);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    mq_buffer_release(&b.path);
    mq_buffer_release(&b.text);
    mq_strmap_release(&b.keys);
    if (st != MQ_OK) {
        mq_arena_release(&b.out.arena);
        return st;
    }
    *ret_document = b.out;
    return MQ_OK;
}

enum mq_status
mq_yaml_read_file(const char *path, struct mq_yaml_document *ret_document, struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_reader_from_file(path, &reader, err);
    if (st != MQ_OK)
        return st;
    struct mq_buffer buffer = {0};
    st = mq_reader_all(reader, MQ_YAML_SIZE_MAX, &buffer, err);
    if (st == MQ_OK)
        st = mq_yaml_parse(buffer.data, buffer.size, path, ret_document, err);
    mq_buffer_release(&buffer);
    mq_reader_close(reader);
    return st;
}

const struct mq_yaml_entry *
mq_yaml_find(const struct mq_yaml_document *document, const char *key)
{
    for (size_t i = 0; i < document->count; i++)
        if (strcmp(document->entries[i].key, key) == 0)
            return &document->entries[i];
    return NULL;
}

void
mq_yaml_release(struct mq_yaml_document *document)
{
    mq_arena_release(&document->arena);
    *document = (struct mq_yaml_document){0};
}
