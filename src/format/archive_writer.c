/* Writing of archive.h. */
#include "format/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct mq_archive_writer {
    struct archive *archive;
    struct mq_writer *sink;
    struct mq_error *err; /* of the call that is running, for the callback */
    enum mq_status sink_status;
    enum mq_archive_format format;
    bool in_entry, broken, discard;
};

/*
 * libarchive leaks its compressor when a write fails. So none does: after a failure the bytes go
 * nowhere, and every call here looks at sink_status.
 */
static la_ssize_t
sink_write(struct archive *archive, void *context, const void *bytes, size_t size)
{
    (void)archive;
    struct mq_archive_writer *ar = context;
    if (ar->sink_status == MQ_OK && !ar->discard)
        ar->sink_status = mq_writer_put(ar->sink, bytes, size, ar->err);
    return (la_ssize_t)size;
}

static bool
failed(const struct mq_archive_writer *ar, int status)
{
    return status < ARCHIVE_WARN || ar->sink_status != MQ_OK;
}

static enum mq_status
write_failed(struct mq_archive_writer *ar, const char *what, struct mq_error *err)
{
    ar->broken = true;
    if (ar->sink_status != MQ_OK)
        return ar->sink_status; /* its message is in err already */
    const char *why = archive_error_string(ar->archive);
    return mq_fail(err, MQ_E_IO, "cannot write archive '%s': %s: %s", ar->sink->name, what,
                   why != NULL ? why : "unknown cause");
}

enum mq_status
mq_archive_writer_new(struct mq_writer *writer, enum mq_archive_format format,
                      struct mq_archive_writer **ret_archive, struct mq_error *err)
{
    struct mq_archive_writer *ar = calloc(1, sizeof(*ar));
    struct archive *a = ar != NULL ? archive_write_new() : NULL;
    if (a == NULL) {
        free(ar);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a writer of archive '%s'", writer->name);
    }
    *ar = (struct mq_archive_writer){.archive = a, .sink = writer, .format = format, .err = err};
    bool set;
    if (format == MQ_ARCHIVE_ZIP) {
        set = archive_write_set_format_zip(a) == ARCHIVE_OK &&
              archive_write_set_format_option(a, "zip", "compression-level", "6") == ARCHIVE_OK;
    } else {
        /* ustar wherever it can say it */
        set = archive_write_set_format_pax_restricted(a) == ARCHIVE_OK;
        if (format == MQ_ARCHIVE_TAR_GZ)
            set =
                set && archive_write_add_filter_gzip(a) == ARCHIVE_OK &&
                archive_write_set_filter_option(a, "gzip", "timestamp", NULL) == ARCHIVE_OK &&
                archive_write_set_filter_option(a, "gzip", "compression-level", "6") == ARCHIVE_OK;
    }
    archive_write_set_bytes_in_last_block(a, 1);
    if (!set || failed(ar, archive_write_open(a, ar, NULL, sink_write, NULL))) {
        enum mq_status st = write_failed(ar, "cannot start", err);
        mq_archive_writer_free(ar);
        return st;
    }
    *ret_archive = ar;
    return MQ_OK;
}

void
mq_archive_writer_free(struct mq_archive_writer *archive)
{
    if (archive == NULL)
        return;
    archive->err = NULL;
    archive->discard = true; /* freeing writes what ends an archive */
    archive_write_free(archive->archive);
    free(archive);
}

enum mq_status
mq_archive_writer_finish(struct mq_archive_writer *archive, struct mq_error *err)
{
    if (archive->in_entry || archive->broken)
        return mq_fail(err, MQ_E_USAGE, "archive '%s' has an entry that was not committed",
                       archive->sink->name);
    archive->err = err;
    if (failed(archive, archive_write_close(archive->archive)))
        return write_failed(archive, "cannot finish", err);
    archive->broken = true; /* a second finish is a mistake */
    return MQ_OK;
}

/* ---- entries ---------------------------------------------------------------------------- */

struct entry_writer {
    struct mq_writer base;
    struct mq_archive_writer *archive;
    int64_t left; /* -1: size not known */
    bool committed;
    char name[MQ_ARCHIVE_NAME_MAX + 1];
};

static enum mq_status
entry_write(struct mq_writer *base, const void *bytes, size_t size, struct mq_error *err)
{
    struct entry_writer *entry = (struct entry_writer *)base;
    struct mq_archive_writer *ar = entry->archive;
    ar->err = err;
    if (entry->left >= 0 && size > (uint64_t)entry->left) {
        ar->broken = true;
        return mq_fail(err, MQ_E_USAGE, "'%s' in archive '%s' is longer than announced",
                       entry->name, ar->sink->name);
    }
    const char *p = bytes;
    while (size > 0) {
        la_ssize_t n = archive_write_data(ar->archive, p, size);
        if (n <= 0 || ar->sink_status != MQ_OK)
            return write_failed(ar, entry->name, err);
        p += n;
        size -= (size_t)n;
        if (entry->left >= 0)
            entry->left -= n;
    }
    return MQ_OK;
}

static enum mq_status
entry_commit(struct mq_writer *base, struct mq_error *err)
{
    struct entry_writer *entry = (struct entry_writer *)base;
    struct mq_archive_writer *ar = entry->archive;
    ar->err = err;
    if (entry->left > 0)
        return mq_fail(err, MQ_E_USAGE, "'%s' in archive '%s' is %lld bytes short of its size",
                       entry->name, ar->sink->name, (long long)entry->left);
    if (failed(ar, archive_write_finish_entry(ar->archive)))
        return write_failed(ar, entry->name, err);
    entry->committed = true;
    return MQ_OK;
}

static void
entry_writer_close(struct mq_writer *base)
{
    struct entry_writer *entry = (struct entry_writer *)base;
    entry->archive->in_entry = false;
    if (!entry->committed)
        entry->archive->broken = true;
    free(entry);
}

static enum mq_status
check_name(const char *name, struct mq_error *err)
{
    enum mq_status st = mq_archive_name_check(name, err);
    if (st != MQ_OK)
        return st;
    for (const char *p = name; *p != '\0'; p++) {
        if ((unsigned char)*p > 126)
            return mq_fail(err, MQ_E_RANGE, "name '%s' is not ASCII", name);
    }
    return MQ_OK;
}

enum mq_status
mq_archive_entry_writer(struct mq_archive_writer *archive, const char *name, int64_t size_bytes,
                        struct mq_writer **ret_writer, struct mq_error *err)
{
    enum mq_status st = check_name(name, err);
    if (st != MQ_OK)
        return mq_fail_context(err, st, "cannot write archive '%s'", archive->sink->name);
    if (archive->in_entry || archive->broken || size_bytes < -1 ||
        (size_bytes < 0 && archive->format != MQ_ARCHIVE_ZIP))
        return mq_fail(err, MQ_E_USAGE,
                       "cannot add '%s' of %lld bytes to archive '%s': another entry is open or "
                       "was not committed, or the size must be known",
                       name, (long long)size_bytes, archive->sink->name);
    struct entry_writer *writer = calloc(1, sizeof(*writer));
    struct archive_entry *entry = archive_entry_new();
    if (writer == NULL || entry == NULL) {
        free(writer);
        archive_entry_free(entry);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an entry of '%s'", archive->sink->name);
    }
    /* No time, no owner: a reader shows 1970 (tar) or 1980 (zip), in every time zone. */
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    if (size_bytes >= 0)
        archive_entry_set_size(entry, size_bytes);
    archive->err = err;
    int status = archive_write_header(archive->archive, entry);
    archive_entry_free(entry);
    if (failed(archive, status)) {
        free(writer);
        return write_failed(archive, name, err);
    }
    snprintf(writer->name, sizeof(writer->name), "%s", name);
    writer->base = (struct mq_writer){.write = entry_write,
                                      .commit = entry_commit,
                                      .close = entry_writer_close,
                                      .name = writer->name};
    writer->archive = archive;
    writer->left = size_bytes;
    archive->in_entry = true;
    *ret_writer = &writer->base;
    return MQ_OK;
}

enum mq_status
mq_archive_put(struct mq_archive_writer *archive, const char *name, const void *bytes, size_t size,
               struct mq_error *err)
{
    struct mq_writer *writer;
    enum mq_status st = mq_archive_entry_writer(archive, name, (int64_t)size, &writer, err);
    if (st != MQ_OK)
        return st;
    if ((st = mq_writer_put(writer, bytes, size, err)) == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    return st;
}
