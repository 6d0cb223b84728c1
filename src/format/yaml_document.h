/**
 * A YAML file of settings, flattened: "section.key" → text with its line, in file order.
 *
 * Read with libyaml (docs/decisions/yaml.md): the schema is the option table, known at run time.
 * Mappings nest with dots; a list of scalars becomes one text joined by commas; an empty or null
 * (~, null) value is "". Text is not interpreted here: types belong to the option table.
 * Refused: aliases and anchors, tags, a second document, lists of mappings, duplicate keys, keys
 * that are not plain scalars. Threads: reentrant; a document is immutable after reading.
 */
#ifndef MQ_FORMAT_YAML_DOCUMENT_H
#define MQ_FORMAT_YAML_DOCUMENT_H

#include <stddef.h>

#include "base/arena.h"
#include "base/stream.h"

#define MQ_YAML_SIZE_MAX ((size_t)1 << 20)
#define MQ_YAML_DEPTH_MAX 16
#define MQ_YAML_ENTRIES_MAX 10000

struct mq_yaml_entry {
    const char *key;  /**< "section.key" */
    const char *text; /**< UTF-8 */
    int line;         /**< of the value, from 1 */
};

/** Zero-initialise; then mq_yaml_release. */
struct mq_yaml_document {
    struct mq_yaml_entry *entries; /**< [count], owned by the arena */
    size_t count;
    struct mq_arena arena;
};

/**
 * @param name of the source, for messages
 * @param ret_document filled on success (it must be empty before)
 * @return MQ_OK | MQ_E_FORMAT ("line 3, column 7: …") | MQ_E_RANGE | MQ_E_NOMEM
 */
enum mq_status mq_yaml_parse(const char *text, size_t size, const char *name,
                             struct mq_yaml_document *ret_document, struct mq_error *err);

/** mq_yaml_parse of a local file. */
enum mq_status mq_yaml_read_file(const char *path, struct mq_yaml_document *ret_document,
                                 struct mq_error *err);

/** The entry of a key, or NULL. */
const struct mq_yaml_entry *mq_yaml_find(const struct mq_yaml_document *document, const char *key);

/** Empty document allowed. */
void mq_yaml_release(struct mq_yaml_document *document);

#endif
