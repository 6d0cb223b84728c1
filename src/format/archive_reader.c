/* Reading of archive.h. */
#include "format/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "format/utf8.h"

#define INPUT_BYTES ((size_t)64 << 10)

struct mq_archive_reader {
    struct archive *archive;
    struct mq_archive_limits limits;
    struct mq_reader *source; /* NULL for memory and files */
    unsigned char *input;     /* [INPUT_BYTES] from the source */
    enum mq_status source_status;
    struct mq_error source_error;
    int64_t entries, total_bytes;
    bool in_entry, entry_taken;
    int64_t entry_size, entry_bytes; /* claimed (-1 unknown), and delivered */
    char entry_name[MQ_ARCHIVE_NAME_MAX + 1];
    char name[];
};

enum mq_status
mq_archive_name_check(const char *name, struct mq_error *err)
{
    size_t size = strlen(name);
    const char *rule = NULL;
    if (size < 1 || size > MQ_ARCHIVE_NAME_MAX)
        rule = "is empty or longer than 1024 bytes";
    else if (!mq_utf8_valid(name, size))
        rule = "is not UTF-8";
    else if (name[0] == '/' || strchr(name, '\\') != NULL)
        rule = "is absolute or holds a backslash";
    for (size_t i = 0; i < size && rule == NULL; i++) {
        if ((unsigned char)name[i] < 32 || name[i] == 127)
            rule = "holds a control character";
    }
    for (const char *part = name; rule == NULL && part != NULL;) {
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
            rule = "leads out of its folder";
        part = strchr(part, '/');
        part = part != NULL ? part + 1 : NULL;
    }
    if (rule == NULL)
        return MQ_OK;
    char shown[80];
    for (size_t i = 0; i < sizeof(shown); i++)
        shown[i] = i < size && name[i] >= 32 && name[i] < 127 ? name[i] : '?';
    shown[MQ_MIN(size, sizeof(shown) - 1)] = '\0';
    return mq_fail(err, MQ_E_FORMAT, "name '%s' %s", shown, rule);
}

/* What libarchive says went wrong, or what the source said before it. */
static enum mq_status
read_failed(struct mq_archive_reader *ar, const char *what, struct mq_error *err)
{
    if (ar->source_status != MQ_OK) {
        if (err != NULL)
            *err = ar->source_error;
        return ar->source_status;
    }
    const char *why = archive_error_string(ar->archive);
    return mq_fail(err, MQ_E_FORMAT, "cannot read archive '%s': %s%s%s", ar->name, what,
                   why != NULL ? ": " : "", why != NULL ? why : "");
}

/* ---- opening ---------------------------------------------------------------------------- */

static la_ssize_t
source_read(struct archive *archive, void *context, const void **ret_bytes)
{
    struct mq_archive_reader *ar = context;
    size_t got = 0;
    ar->source_status = mq_reader_some(ar->source, ar->input, INPUT_BYTES, &got, &ar->source_error);
    if (ar->source_status != MQ_OK) {
        archive_set_error(archive, -1, "the source failed");
        return -1;
    }
    *ret_bytes = ar->input;
    return (la_ssize_t)got;
}

/* @param can_seek a zip is then read by its directory only, so a cut one is noticed at once */
static enum mq_status
reader_new(const char *name, const struct mq_archive_limits *limits, bool can_seek,
           struct mq_archive_reader **ret_ar, struct mq_error *err)
{
    size_t size = strlen(name) + 1;
    struct mq_archive_reader *ar = calloc(1, sizeof(*ar) + size);
    if (ar == NULL || (ar->archive = archive_read_new()) == NULL) {
        free(ar);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a reader of archive '%s'", name);
    }
    memcpy(ar->name, name, size);
    if (limits != NULL)
        ar->limits = *limits;
    if (ar->limits.entries_max == 0)
        ar->limits.entries_max = 100000;
    if (ar->limits.entry_bytes_max == 0)
        ar->limits.entry_bytes_max = (int64_t)16 << 30;
    if (ar->limits.total_bytes_max == 0)
        ar->limits.total_bytes_max = (int64_t)64 << 30;
    archive_read_support_format_tar(ar->archive);
    if (can_seek)
        archive_read_support_format_zip_seekable(ar->archive);
    else
        archive_read_support_format_zip_streamable(ar->archive);
    archive_read_support_filter_gzip(ar->archive);
    archive_read_support_filter_zstd(ar->archive);
    *ret_ar = ar;
    return MQ_OK;
}

/* The end of all three openings. @param begin the first `size` bytes, as far as they are at hand */
static enum mq_status
opened(struct mq_archive_reader *ar, int status, const void *begin, size_t size,
       struct mq_archive_reader **ret_archive, struct mq_error *err)
{
    if (status < ARCHIVE_WARN) {
        enum mq_status st;
        if (ar->source_status != MQ_OK)
            st = read_failed(ar, "it is no tar or zip", err);
        else if (size >= 4 && memcmp(begin, "PK\3\4", 4) == 0)
            st = mq_fail(err, MQ_E_FORMAT,
                         "cannot read archive '%s': the zip is truncated: it begins as one, but "
                         "the directory at its end is missing",
                         ar->name);
        else
            st = mq_fail(err, MQ_E_FORMAT, "cannot read archive '%s': it is no tar or zip",
                         ar->name);
        mq_archive_close(ar);
        return st;
    }
    *ret_archive = ar;
    return MQ_OK;
}

enum mq_status
mq_archive_open(struct mq_reader *reader, const struct mq_archive_limits *limits,
                struct mq_archive_reader **ret_archive, struct mq_error *err)
{
    struct mq_archive_reader *ar;
    enum mq_status st = reader_new(reader->name, limits, false, &ar, err);
    if (st != MQ_OK)
        return st;
    ar->source = reader;
    ar->input = malloc(INPUT_BYTES);
    if (ar->input == NULL) {
        mq_archive_close(ar);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a buffer for '%s'", reader->name);
    }
    return opened(ar, archive_read_open(ar->archive, ar, NULL, source_read, NULL), NULL, 0,
                  ret_archive, err);
}

enum mq_status
mq_archive_open_memory(const void *bytes, size_t size, const char *name,
                       const struct mq_archive_limits *limits,
                       struct mq_archive_reader **ret_archive, struct mq_error *err)
{
    struct mq_archive_reader *ar;
    enum mq_status st = reader_new(name, limits, true, &ar, err);
    if (st != MQ_OK)
        return st;
    return opened(ar, archive_read_open_memory(ar->archive, bytes, size), bytes, size, ret_archive,
                  err);
}

enum mq_status
mq_archive_open_file(const char *path, const struct mq_archive_limits *limits,
                     struct mq_archive_reader **ret_archive, struct mq_error *err)
{
    /* For the usual message of a file that is not there. */
    struct mq_reader *probe;
    struct mq_archive_reader *ar;
    char begin[4];
    size_t size = 0;
    enum mq_status st = mq_reader_from_file(path, &probe, err);
    if (st != MQ_OK)
        return st;
    st = mq_reader_some(probe, begin, sizeof(begin), &size, err);
    mq_reader_close(probe);
    if (st != MQ_OK || (st = reader_new(path, limits, true, &ar, err)) != MQ_OK)
        return st;
    return opened(ar, archive_read_open_filename(ar->archive, path, INPUT_BYTES), begin, size,
                  ret_archive, err);
}

void
mq_archive_close(struct mq_archive_reader *archive)
{
    if (archive == NULL)
        return;
    archive_read_free(archive->archive);
    free(archive->input);
    free(archive);
}

/* ---- entries ---------------------------------------------------------------------------- */

/* Up to `size` bytes of the current entry, within the limits; 0 at its end. */
static enum mq_status
entry_data(struct mq_archive_reader *ar, void *bytes, size_t size, size_t *ret_size,
           struct mq_error *err)
{
    la_ssize_t got = archive_read_data(ar->archive, bytes, size);
    if (got < 0)
        return read_failed(ar, ar->entry_name, err);
    ar->entry_bytes += got;
    ar->total_bytes += got;
    if (got == 0 && ar->entry_size >= 0 && ar->entry_bytes != ar->entry_size)
        return mq_fail(
            err, MQ_E_FORMAT, "cannot read archive '%s': '%s' has %lld bytes, its header says %lld",
            ar->name, ar->entry_name, (long long)ar->entry_bytes, (long long)ar->entry_size);
    if (ar->entry_bytes > ar->limits.entry_bytes_max ||
        ar->total_bytes > ar->limits.total_bytes_max)
        return mq_fail(err, MQ_E_RANGE,
                       "archive '%s' expands too far: %lld bytes at '%s' (allowed: %lld an entry, "
                       "%lld in all)",
                       ar->name, (long long)ar->total_bytes, ar->entry_name,
                       (long long)ar->limits.entry_bytes_max,
                       (long long)ar->limits.total_bytes_max);
    *ret_size = (size_t)got;
    return MQ_OK;
}

/* What is left of the current entry, so that no limit is missed by passing over. */
static enum mq_status
pass_over(struct mq_archive_reader *ar, struct mq_error *err)
{
    if (!ar->in_entry)
        return MQ_OK;
    ar->in_entry = false;
    if (ar->entry_size >= 0) {
        ar->total_bytes += MQ_MAX(ar->entry_size - ar->entry_bytes, 0);
        return MQ_OK; /* the next header is found by the claimed size */
    }
    mq_autofree unsigned char *bytes = malloc(INPUT_BYTES);
    if (bytes == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a buffer for '%s'", ar->name);
    size_t got;
    do {
        enum mq_status st = entry_data(ar, bytes, INPUT_BYTES, &got, err);
        if (st != MQ_OK)
            return st;
    } while (got > 0);
    return MQ_OK;
}

/*
 * libarchive converts names to the character set of the thread's locale, and loses those that do
 * not fit: so the thread has a UTF-8 locale while a header is read.
 */
static locale_t utf8_locale;
static pthread_once_t utf8_locale_made = PTHREAD_ONCE_INIT;

static void
make_utf8_locale(void)
{
    utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static int
next_header(struct archive *archive, struct archive_entry **ret_entry)
{
    pthread_once(&utf8_locale_made, make_utf8_locale);
    locale_t before = utf8_locale != (locale_t)0 ? uselocale(utf8_locale) : (locale_t)0;
    int status = archive_read_next_header(archive, ret_entry);
    if (before != (locale_t)0)
        uselocale(before);
    return status;
}

/* One of the two spellings is always there, depending on the header. */
static const char *
name_of(struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry);
    return name != NULL ? name : archive_entry_pathname_utf8(entry);
}

static enum mq_status
check_entry(struct mq_archive_reader *ar, struct archive_entry *entry, struct mq_error *err)
{
    const char *name = name_of(entry);
    enum mq_status st = mq_archive_name_check(name != NULL ? name : "", err);
    if (st != MQ_OK)
        return mq_fail_context(err, st, "cannot read archive '%s'", ar->name);
    snprintf(ar->entry_name, sizeof(ar->entry_name), "%s", name);
    bool linked = archive_entry_hardlink(entry) != NULL || archive_entry_symlink(entry) != NULL;
    mode_t kind = archive_entry_filetype(entry);
    if (linked || (kind != AE_IFREG && kind != AE_IFDIR))
        return mq_fail(err, MQ_E_FORMAT, "cannot read archive '%s': '%s' is a link or a device",
                       ar->name, ar->entry_name);
    if (archive_entry_is_encrypted(entry))
        return mq_fail(err, MQ_E_UNSUPPORTED, "cannot read archive '%s': '%s' is encrypted",
                       ar->name, ar->entry_name);
    ar->entry_size = archive_entry_size_is_set(entry) ? archive_entry_size(entry) : -1;
    ar->entry_bytes = 0;
    if (++ar->entries > ar->limits.entries_max)
        return mq_fail(err, MQ_E_RANGE, "archive '%s' has more than %lld entries", ar->name,
                       (long long)ar->limits.entries_max);
    if (ar->entry_size < -1 || ar->entry_size > ar->limits.entry_bytes_max ||
        ar->total_bytes > ar->limits.total_bytes_max)
        return mq_fail(err, MQ_E_RANGE,
                       "archive '%s': '%s' claims %lld bytes (allowed: %lld an entry, %lld in all)",
                       ar->name, ar->entry_name, (long long)ar->entry_size,
                       (long long)ar->limits.entry_bytes_max,
                       (long long)ar->limits.total_bytes_max);
    return MQ_OK;
}

enum mq_status
mq_archive_next(struct mq_archive_reader *archive, struct mq_archive_entry *ret_entry,
                bool *ret_found, struct mq_error *err)
{
    struct mq_archive_reader *ar = archive;
    for (;;) {
        enum mq_status st = pass_over(ar, err);
        if (st != MQ_OK)
            return st;
        struct archive_entry *entry;
        int status = next_header(ar->archive, &entry);
        if (status == ARCHIVE_EOF) {
            *ret_found = false;
            return MQ_OK;
        }
        if (status < ARCHIVE_WARN || status == ARCHIVE_RETRY)
            return read_failed(ar, "no sound entry", err);
        if ((st = check_entry(ar, entry, err)) != MQ_OK)
            return st;
        ar->in_entry = true;
        ar->entry_taken = false;
        if (archive_entry_filetype(entry) == AE_IFDIR)
            continue;
        ret_entry->name = ar->entry_name;
        ret_entry->size_bytes = ar->entry_size;
        *ret_found = true;
        return MQ_OK;
    }
}

enum mq_status
mq_archive_find(struct mq_archive_reader *archive, const char *name,
                struct mq_archive_entry *ret_entry, struct mq_error *err)
{
    for (;;) {
        struct mq_archive_entry entry;
        bool found;
        enum mq_status st = mq_archive_next(archive, &entry, &found, err);
        if (st != MQ_OK)
            return st;
        if (!found)
            return mq_fail(err, MQ_E_NOT_FOUND, "archive '%s' has no '%s'", archive->name, name);
        if (strcmp(entry.name, name) == 0) {
            *ret_entry = entry;
            return MQ_OK;
        }
    }
}

/* ---- an entry as a stream --------------------------------------------------------------- */

struct entry_reader {
    struct mq_reader base;
    struct mq_archive_reader *archive;
    int64_t number; /* of the entry, to notice use after its time */
    bool ended;
    char *name;
};

static enum mq_status
entry_read(struct mq_reader *base, void *bytes, size_t size, size_t *ret_size, struct mq_error *err)
{
    struct entry_reader *reader = (struct entry_reader *)base;
    struct mq_archive_reader *ar = reader->archive;
    if (reader->ended) {
        *ret_size = 0;
        return MQ_OK;
    }
    if (!ar->in_entry || ar->entries != reader->number)
        return mq_fail(err, MQ_E_USAGE, "'%s' is no longer the current entry", reader->name);
    enum mq_status st = entry_data(ar, bytes, size, ret_size, err);
    if (st == MQ_OK && *ret_size == 0)
        reader->ended = true;
    return st;
}

static void
entry_reader_close(struct mq_reader *base)
{
    free(((struct entry_reader *)base)->name);
    free(base);
}

enum mq_status
mq_archive_entry_reader(struct mq_archive_reader *archive, struct mq_reader **ret_reader,
                        struct mq_error *err)
{
    if (!archive->in_entry || archive->entry_taken)
        return mq_fail(err, MQ_E_USAGE, "archive '%s' is at no unread entry", archive->name);
    struct entry_reader *reader = calloc(1, sizeof(*reader));
    char *name = mq_strfmt("%s: %s", archive->name, archive->entry_name);
    if (reader == NULL || name == NULL) {
        free(reader);
        free(name);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a reader of '%s'", archive->name);
    }
    reader->base = (struct mq_reader){.read = entry_read,
                                      .close = entry_reader_close,
                                      .name = name,
                                      .size_bytes = archive->entry_size};
    reader->archive = archive;
    reader->number = archive->entries;
    reader->name = name;
    archive->entry_taken = true;
    *ret_reader = &reader->base;
    return MQ_OK;
}
