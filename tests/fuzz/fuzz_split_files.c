/*
 * Any bytes as the files of a split: up to the first NUL ratings to train on, up to the second the
 * test, then candidates. What is read must hold together.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "eval/split_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes as a file; its descriptor. */
static int
make_file(const uint8_t *data, size_t size, char path[32])
{
    int fd = memfd_create("split", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

static void
check(const struct mq_split_files *files)
{
    const struct mq_rating_matrix *m = files->matrix;
    struct mq_ranking_cases cases = {0};
    const struct mq_ranking_cases_options options = {.relevant_at_least = 3, .seed = 1};
    for (int64_t i = 0; i < m->count; i++)
        if (files->marks[i] != MQ_SPLIT_TRAIN && files->marks[i] != MQ_SPLIT_TEST)
            abort();
    if (mq_ranking_cases_from_lists(m, files->marks, &files->lists, &options, &cases, NULL) !=
        MQ_OK)
        abort();
    for (int64_t i = 0; i < cases.count; i++)
        if (cases.relevant_offset[i] >= cases.relevant_offset[i + 1])
            abort();
    mq_ranking_cases_release(&cases);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[3][32];
    int fd[3];
    struct mq_split_files files = {0};
    for (int part = 0; part < 3; part++) {
        const uint8_t *end = part < 2 && size > 0 ? memchr(data, '\0', size) : NULL;
        size_t length = end != NULL ? (size_t)(end - data) : size;
        fd[part] = make_file(data, length, path[part]);
        size_t passed = end != NULL ? length + 1 : length;
        data += passed;
        size -= passed;
    }
    const struct mq_split_paths paths = {.train = path[0], .test = path[1], .candidates = path[2]};
    if (mq_split_files_read(&paths, &files, NULL) == MQ_OK)
        check(&files);
    mq_split_files_release(&files);
    for (int part = 0; part < 3; part++)
        close(fd[part]);
    return 0;
}
