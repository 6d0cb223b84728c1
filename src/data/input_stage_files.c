#include "data/input_stage_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "format/gzip_stream.h"

/* ---- plain files without sync: publishing does that ------------------------------------- */

struct plain_writer {
    struct mq_writer base;
    int fd;
    char path[];
};

static enum mq_status
plain_write(struct mq_writer *base, const void *bytes, size_t size, struct mq_error *err)
{
    const struct plain_writer *writer = (const struct plain_writer *)base;
    return mq_fs_write(writer->fd, bytes, size, writer->path, err);
}

static enum mq_status
plain_commit(struct mq_writer *base, struct mq_error *err)
{
    (void)base;
    (void)err;
    return MQ_OK;
}

static void
plain_close(struct mq_writer *base)
{
    close(((struct plain_writer *)base)->fd);
    free(base);
}

static enum mq_status
plain_new(const char *path, struct mq_writer **ret_writer, struct mq_error *err)
{
    size_t size = strlen(path) + 1;
    struct plain_writer *writer = calloc(1, sizeof(*writer) + size);
    if (writer == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a writer");
    memcpy(writer->path, path, size);
    writer->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (writer->fd < 0) {
        int e = errno;
        free(writer);
        return mq_fail_errno(err, e, "cannot create '%s'", path);
    }
    writer->base = (struct mq_writer){
        .write = plain_write, .commit = plain_commit, .close = plain_close, .name = writer->path};
    *ret_writer = &writer->base;
    return MQ_OK;
}

/* ---- staged files ----------------------------------------------------------------------- */

enum mq_status
mq_input_open_file(struct mq_input_stage *stage, struct mq_input_file *file, struct mq_error *err)
{
    mq_autofree char *path = mq_strfmt("%s/%zu", stage->folder, stage->file_count);
    const char *name = mq_arena_copy(&stage->names, file->path, strlen(file->path));
    if (path == NULL || name == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    enum mq_status st = mq_grow(&stage->files, &stage->file_capacity, stage->file_count + 1,
                                sizeof(*stage->files), err);
    struct mq_writer *out;
    if (st == MQ_OK)
        st = plain_new(path, &out, err);
    size_t n = strlen(file->path);
    if (st == MQ_OK && n > 3 && strcmp(file->path + n - 3, ".gz") == 0)
        st = mq_gzip_writer(out, stage->options.gzip_level, &out, err);
    if (st != MQ_OK)
        return st;
    file->out = out;
    stage->files[stage->file_count] = (struct mq_staged_file){name, stage->file_count};
    stage->file_count++;
    return MQ_OK;
}

enum mq_status
mq_input_close_file(struct mq_input_stage *stage, struct mq_input_file *file, struct mq_error *err)
{
    if (file->out == NULL)
        return MQ_OK;
    enum mq_status st = mq_writer_commit(file->out, err);
    if (st == MQ_OK) {
        stage->summary.files++;
        stage->summary.bytes += file->out->offset;
    }
    mq_writer_close(file->out);
    file->out = NULL;
    return st;
}
