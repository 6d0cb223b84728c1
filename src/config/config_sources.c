#include "config/config_sources.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/filesystem.h"
#include "base/memory.h"
#include "format/yaml_document.h"

#define VARIABLE_MAX 128
#define PROPERTIES "kafka.properties."

void
mq_config_variable(const char *option, char *ret_name, size_t size)
{
    size_t n = (size_t)snprintf(ret_name, size, "MARQUEE_%s", option);
    for (size_t i = 8; i < MQ_MIN(n, size - 1); i++)
        ret_name[i] = ret_name[i] == '.' ? '_' : (char)toupper((unsigned char)ret_name[i]);
}

static const struct mq_option *
find_by_variable(const char *variable, size_t size)
{
    static const struct {
        const char *variable, *option;
    } shorts[] = {{"MARQUEE_STORE", "store.uri"}, {"MARQUEE_REGION", "store.region"}};
    size_t count;
    const struct mq_option *table = mq_option_table(&count);
    for (size_t i = 0; i < count; i++) {
        char name[VARIABLE_MAX];
        mq_config_variable(table[i].name, name, sizeof(name));
        if (strlen(name) == size && memcmp(name, variable, size) == 0)
            return &table[i];
        for (size_t s = 0; s < MQ_COUNT(shorts); s++)
            if (strcmp(shorts[s].option, table[i].name) == 0 &&
                strlen(shorts[s].variable) == size &&
                memcmp(shorts[s].variable, variable, size) == 0)
                return &table[i];
    }
    return NULL;
}

/* Whether "MARQUEE_<SECTION>_" begins the variable, for a section of the table. */
static bool
has_known_section(const char *variable, size_t size)
{
    size_t count;
    const struct mq_option *table = mq_option_table(&count);
    for (size_t i = 0; i < count; i++) {
        char name[VARIABLE_MAX];
        mq_config_variable(table[i].name, name, sizeof(name));
        size_t n = 8 + strcspn(table[i].name, ".") + 1;
        if (size > n && strncmp(name, variable, n) == 0)
            return true;
    }
    return false;
}

enum mq_status
mq_config_load_environment(struct mq_config *config, char *const *environment, struct mq_error *err)
{
    for (char *const *entry = environment; *entry != NULL; entry++) {
        if (strncmp(*entry, "MARQUEE_", 8) != 0)
            continue;
        size_t size = strcspn(*entry, "=");
        if ((*entry)[size] == '\0')
            continue;
        char place[VARIABLE_MAX + 32];
        snprintf(place, sizeof(place), "environment %.*s", (int)MQ_MIN(size, VARIABLE_MAX), *entry);
        const struct mq_option *option = find_by_variable(*entry, size);
        if (option == NULL) {
            if (!has_known_section(*entry, size))
                continue;
            mq_fail(err, MQ_E_CONFIG, "%s: no such option", place);
            mq_error_hint(err, "unset it, or see the names in `marquee config --explain`");
            return MQ_E_CONFIG;
        }
        enum mq_status st =
            mq_config_set(config, option->name, *entry + size + 1, MQ_FROM_ENVIRONMENT, place, err);
        if (st != MQ_OK)
            return st;
    }
    return MQ_OK;
}

/* The mapping kafka.properties: names are librdkafka's, not rows of the table. */
static enum mq_status
load_properties(struct mq_config *config, const char *path, const struct mq_yaml_document *document,
                struct mq_error *err)
{
    struct mq_buffer text = {0};
    enum mq_status st = MQ_OK;
    int line = 0;
    for (size_t i = 0; st == MQ_OK && i < document->count; i++) {
        const struct mq_yaml_entry *entry = &document->entries[i];
        if (strncmp(entry->key, PROPERTIES, strlen(PROPERTIES)) != 0)
            continue;
        line = line == 0 ? entry->line : line;
        st = mq_buffer_printf(&text, err, "%s=%s\n", entry->key + strlen(PROPERTIES), entry->text);
    }
    mq_autofree char *place = mq_strfmt("%s line %d", path, line);
    if (st == MQ_OK && place == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a setting");
    if (st == MQ_OK && line > 0)
        st = mq_config_set(config, "kafka.properties", text.data, MQ_FROM_FILE, place, err);
    mq_buffer_release(&text);
    return st;
}

enum mq_status
mq_config_load_file(struct mq_config *config, const char *path, struct mq_error *err)
{
    if (path == NULL) {
        path = getenv("MARQUEE_CONFIG");
        if (path == NULL && !mq_fs_exists(MQ_CONFIG_DEFAULT_FILE))
            return MQ_OK;
        if (path == NULL)
            path = MQ_CONFIG_DEFAULT_FILE;
    }
    struct mq_yaml_document document = {0};
    enum mq_status st = mq_yaml_read_file(path, &document, err);
    /* Whoever names the file is told what is wrong with the settings. */
    if (st == MQ_E_NOT_FOUND || st == MQ_E_FORMAT || st == MQ_E_UNSUPPORTED) {
        st = MQ_E_CONFIG;
        if (err != NULL)
            err->code = st;
    }
    if (st == MQ_OK)
        st = load_properties(config, path, &document, err);
    for (size_t i = 0; st == MQ_OK && i < document.count; i++) {
        const struct mq_yaml_entry *entry = &document.entries[i];
        if (strncmp(entry->key, PROPERTIES, strlen(PROPERTIES)) == 0)
            continue;
        mq_autofree char *place = mq_strfmt("%s line %d", path, entry->line);
        st = place != NULL
                 ? mq_config_set(config, entry->key, entry->text, MQ_FROM_FILE, place, err)
                 : mq_fail(err, MQ_E_NOMEM, "cannot allocate a setting");
    }
    mq_yaml_release(&document);
    return st;
}
