#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/filesystem.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/inspect.h"
#include "cli/terminal_table.h"

/* By the end of the name; the first that fits. */
static const struct {
    const char *end, *kind;
    mq_inspect_fn fn;
} kinds[] = {
    {".pickle", "pickle", mq_inspect_pickle},
    {".pkl", "pickle", mq_inspect_pickle},
    {".npy", "npy", mq_inspect_npy},
    {".index", "faiss index", mq_inspect_index},
    {".h5", "Keras HDF5", mq_inspect_hdf5},
    {".hdf5", "Keras HDF5", mq_inspect_hdf5},
    {".tar.gz", "archive", mq_inspect_archive},
    {".tgz", "archive", mq_inspect_archive},
    {".tar", "archive", mq_inspect_archive},
    {".zip", "archive", mq_inspect_archive},
    {".safetensors", "safetensors", mq_inspect_safetensors},
    {".onnx", "ONNX", mq_inspect_onnx},
    {".parquet", "Parquet", mq_inspect_parquet},
    {".xlsx", "workbook", mq_inspect_xlsx},
    {".csv", "CSV", mq_inspect_csv},
    {".tsv", "CSV", mq_inspect_csv},
    {".dat", "CSV", mq_inspect_csv},
    {".json", "JSON", mq_inspect_json},
};

static bool
ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcasecmp(text + n - m, end) == 0;
}

/* -- laid out for people: "name: value", nested things indented -- */

static void print_value(FILE *out, const json_t *value, int indent);

static bool
is_short(const json_t *value)
{
    if (!json_is_array(value) && !json_is_object(value))
        return true;
    char *text = json_dumps(value, JSON_COMPACT);
    bool fits = text != NULL && strlen(text) <= 88;
    free(text);
    return fits;
}

static void
print_number(FILE *out, const json_t *value)
{
    char form[MQ_FORM_SIZE];
    if (json_is_integer(value)) {
        mq_form_count(json_integer_value(value), form);
        fputs(form, out);
    } else {
        fprintf(out, "%.6g", json_real_value(value));
    }
}

static void
print_inline(FILE *out, const json_t *value)
{
    size_t i;
    json_t *item;
    const char *name;
    bool first = true;
    switch (json_typeof(value)) {
    case JSON_STRING:
        for (const char *p = json_string_value(value); *p != '\0'; p++)
            fputc((unsigned char)*p < 0x20 ? ' ' : *p, out);
        break;
    case JSON_INTEGER:
    case JSON_REAL:
        print_number(out, value);
        break;
    case JSON_ARRAY:
        json_array_foreach(value, i, item)
        {
            fputs(first ? "" : ", ", out);
            bool nested = json_is_array(item);
            fputs(nested ? "[" : "", out);
            print_inline(out, item);
            fputs(nested ? "]" : "", out);
            first = false;
        }
        break;
    case JSON_OBJECT:
        json_object_foreach((json_t *)value, name, item)
        {
            fprintf(out, "%s%s ", first ? "" : ", ", name);
            bool nested = json_is_array(item) || json_is_object(item);
            fputs(nested ? "[" : "", out);
            print_inline(out, item);
            fputs(nested ? "]" : "", out);
            first = false;
        }
        break;
    case JSON_TRUE:
        fputs("true", out);
        break;
    case JSON_FALSE:
        fputs("false", out);
        break;
    case JSON_NULL:
        fputs("–", out);
        break;
    }
}

static void
print_value(FILE *out, const json_t *value, int indent)
{
    size_t i;
    json_t *item;
    const char *name;
    if (is_short(value)) {
        fputc(' ', out);
        print_inline(out, value);
        fputc('\n', out);
        return;
    }
    fputc('\n', out);
    if (json_is_array(value)) {
        json_array_foreach(value, i, item)
        {
            fprintf(out, "%*s-", indent, "");
            print_value(out, item, indent + 2);
        }
    } else {
        json_object_foreach((json_t *)value, name, item)
        {
            fprintf(out, "%*s%s:", indent, "", name);
            print_value(out, item, indent + 2);
        }
    }
}

/* -- finding the object -- */

struct place {
    struct mq_object_store *store; /* borrowed, or own */
    struct mq_object_store *own;   /* opened for a local path */
    char key[MQ_OBJECT_KEY_MAX];
    struct mq_object_info info;
    bool is_folder;
};

static enum mq_status
stop_at_first(void *context, const char *key, const struct mq_object_info *info,
              struct mq_error *err)
{
    *(bool *)context = true;
    return MQ_E_EXISTS; /* enough */
}

/* Whether a key is an object, or the folder of some. */
static enum mq_status
try_key(struct place *place, const char *key, bool *ret_found, struct mq_error *err)
{
    struct mq_error error = {0};
    enum mq_status st = mq_object_stat(place->store, key, &place->info, &error);
    if (st == MQ_OK) {
        snprintf(place->key, sizeof(place->key), "%s", key);
        *ret_found = true;
        return MQ_OK;
    }
    if (st != MQ_E_NOT_FOUND && st != MQ_E_RANGE) {
        if (err != NULL)
            *err = error;
        return st;
    }
    char prefix[MQ_OBJECT_KEY_MAX];
    size_t n = strlen(key);
    snprintf(prefix, sizeof(prefix), "%s%s", key, n > 0 && key[n - 1] == '/' ? "" : "/");
    bool any = false;
    st = mq_object_list(place->store, prefix, stop_at_first, &any, &error);
    if (st != MQ_OK && st != MQ_E_EXISTS && st != MQ_E_RANGE && st != MQ_E_NOT_FOUND) {
        if (err != NULL)
            *err = error;
        return st;
    }
    if (any) {
        place->is_folder = true;
        snprintf(place->key, sizeof(place->key), "%s", prefix);
        *ret_found = true;
    }
    return MQ_OK;
}

/* A path of this machine becomes a store at its folder. */
static enum mq_status
open_local(struct place *place, const char *path, bool *ret_found, struct mq_error *err)
{
    char *full = realpath(path, NULL);
    if (full == NULL)
        return mq_fail_errno(err, errno, "cannot find '%s'", path);
    char *folder_copy = mq_strdup(full), *name_copy = mq_strdup(full), *uri = NULL;
    enum mq_status st = folder_copy != NULL && name_copy != NULL
                            ? MQ_OK
                            : mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    if (st == MQ_OK && (uri = mq_strfmt("file:%s", dirname(folder_copy))) == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    if (st == MQ_OK)
        st = mq_object_store_open(uri, &place->own, err);
    if (st == MQ_OK) {
        place->store = place->own;
        st = try_key(place, basename(name_copy), ret_found, err);
    }
    free(full);
    free(folder_copy);
    free(name_copy);
    free(uri);
    return st;
}

static enum mq_status
find_place(struct mq_cli *cli, const char *path, struct place *place, struct mq_error *err)
{
    enum mq_status st = mq_cli_store(cli, &place->store, err);
    bool found = false;
    if (st == MQ_OK && path[0] != '/' && path[0] != '.') {
        char key[MQ_OBJECT_KEY_MAX];
        int n = snprintf(key, sizeof(key), "%s/%s", mq_cli_region(cli), path);
        if (n > 0 && (size_t)n < sizeof(key))
            st = try_key(place, key, &found, err);
        if (st == MQ_OK && !found)
            st = try_key(place, path, &found, err);
    }
    if (st == MQ_OK && !found && mq_fs_exists(path))
        st = open_local(place, path, &found, err);
    if (st == MQ_OK && !found) {
        st = mq_fail(err, MQ_E_NOT_FOUND,
                     "nothing is at '%s': neither in '%s/%s/', nor in the store, nor on this "
                     "machine",
                     path, mq_object_store_uri(place->store), mq_cli_region(cli));
        mq_error_hint(err, "marquee graph lists the artifacts by path");
    }
    return st;
}

static enum mq_status
visit_object(void *context, const char *key, const struct mq_object_info *info,
             struct mq_error *err)
{
    char modified[MQ_INSTANT_SIZE];
    mq_instant_format(info->modified_ms / 1000, modified);
    json_array_append_new(context, json_pack("{s:s, s:I, s:s}", "key", key, "bytes",
                                             (json_int_t)info->size_bytes, "modified", modified));
    return MQ_OK;
}

static enum mq_status
print_folder(struct mq_cli *cli, struct place *place, struct mq_error *err)
{
    json_t *objects = json_array();
    enum mq_status st = mq_object_list(place->store, place->key, visit_object, objects, err);
    if (st != MQ_OK || cli->json) {
        if (st == MQ_OK)
            return mq_cli_print_json(cli, objects, err);
        json_decref(objects);
        return st;
    }
    struct mq_table table = {0};
    mq_table_column(&table, "object", false);
    mq_table_column(&table, "size", true);
    mq_table_column(&table, "modified", false);
    size_t i;
    json_t *object;
    json_array_foreach(objects, i, object)
    {
        mq_table_cell(&table, "%s", json_string_value(json_object_get(object, "key")));
        mq_table_bytes(&table, json_integer_value(json_object_get(object, "bytes")));
        mq_table_cell(&table, "%s", json_string_value(json_object_get(object, "modified")));
    }
    st = mq_table_print(&table, cli->out, cli->colour, err);
    mq_table_release(&table);
    json_decref(objects);
    return st;
}

static enum mq_status
print_file(struct mq_cli *cli, struct place *place, struct mq_error *err)
{
    size_t kind = 0;
    while (kind < MQ_COUNT(kinds) && !ends_with(place->key, kinds[kind].end))
        kind++;
    if (kind == MQ_COUNT(kinds)) {
        mq_fail(err, MQ_E_UNSUPPORTED, "cannot inspect '%s': its kind is not known by its name",
                place->key);
        mq_error_hint(err, "known: .pickle .npy .index .h5 .tar.gz .zip .safetensors .onnx "
                           ".parquet .xlsx .csv .json");
        return MQ_E_UNSUPPORTED;
    }
    struct mq_inspection inspection = {.store = place->store,
                                       .key = place->key,
                                       .size_bytes = place->info.size_bytes,
                                       .samples = (int)mq_cli_int(cli, "--n"),
                                       .entry = mq_cli_text(cli, "--key"),
                                       .config = cli->config};
    json_t *object = json_pack("{s:s, s:s, s:I}", "path", place->key, "kind", kinds[kind].kind,
                               "bytes", (json_int_t)place->info.size_bytes);
    enum mq_status st = kinds[kind].fn(&inspection, object, err);
    if (st != MQ_OK) {
        json_decref(object);
        return mq_fail_context(err, st, "cannot inspect '%s/%s'", mq_object_store_uri(place->store),
                               place->key);
    }
    if (cli->json)
        return mq_cli_print_json(cli, object, err);
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        fprintf(cli->out, "%s:", name);
        print_value(cli->out, value, 2);
    }
    json_decref(object);
    return MQ_OK;
}

static enum mq_status
run(struct mq_cli *cli, struct mq_error *err)
{
    struct place place = {0};
    enum mq_status st = find_place(cli, mq_cli_positional(cli, 0), &place, err);
    if (st == MQ_OK)
        st = place.is_folder ? print_folder(cli, &place, err) : print_file(cli, &place, err);
    mq_object_store_free(place.own);
    return st;
}

const struct mq_command mq_command_inspect = {
    .name = "inspect",
    .without_store = true,
    .summary = "show what a file holds: pickle, npy, index, h5, tar.gz, parquet, xlsx, csv …",
    .help = "Prints a summary of one file: its kind, size, counts, shapes, ranges, and the first "
            "entries. Large pickles are read as a stream. A folder is listed. The path is looked "
            "for in the region of the store, then in the store, then on this machine (where one "
            "that begins with / or . always is).",
    .positionals =
        (const struct mq_positional[]){
            {"PATH", false, false, "an object of the store, or a local file"}, {0}},
    .flags = (const struct mq_flag[]){{.name = "--n",
                                       .type = MQ_FLAG_INT,
                                       .placeholder = "N",
                                       .default_text = "3",
                                       .min = 0,
                                       .max = 100000,
                                       .help = "entries or rows to show"},
                                      {.name = "--key",
                                       .type = MQ_FLAG_TEXT,
                                       .placeholder = "KEY",
                                       .help = "pickle: show the whole entry of one key"},
                                      {0}},
    .examples =
        (const struct mq_example[]){
            {"marquee inspect feature/recommend-list/portrait/portrait.pickle --key 42",
             "the portrait of user 42, as stored"},
            {"marquee inspect model/rank/action/deepfm/latest/model.tar.gz",
             "the layers of the ranking model"},
            {0}},
    .run = run,
};
