#include "flow/leftovers.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/filesystem.h"
#include "base/log.h"

/* The process that writes "<file>.<pid>-<n>.partial"; 0: another kind of name. */
static long
writer_of(const char *name)
{
    size_t n = strlen(name);
    static const char end[] = ".partial";
    if (n <= sizeof(end) || strcmp(name + n - (sizeof(end) - 1), end) != 0)
        return 0;
    const char *p = name + n - (sizeof(end) - 1);
    while (p > name && p[-1] != '.')
        p--;
    char *dash;
    long pid = strtol(p, &dash, 10);
    return dash > p && *dash == '-' && pid > 0 ? pid : 0;
}

static enum mq_status
visit(void *context, const char *path, const char *name, bool is_folder, int64_t size_bytes,
      struct mq_error *err)
{
    if (is_folder)
        return mq_fs_list(path, visit, context, err);
    long pid = writer_of(name);
    struct stat info;
    if (pid == 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH)
        return MQ_OK;
    if (stat(path, &info) != 0 || time(NULL) - info.st_mtime < MQ_LEFTOVER_AGE_S)
        return MQ_OK;
    if (unlink(path) == 0) {
        mq_log_info("removed '%s', left by a process that was killed", path);
        ++*(int *)context;
    }
    return MQ_OK;
}

enum mq_status
mq_leftovers_sweep(struct mq_object_store *store, const char *region, int *ret_count,
                   struct mq_error *err)
{
    char folder[MQ_PATH_MAX];
    int count = 0;
    enum mq_status st = MQ_OK;
    if (mq_object_store_local_path(store, region, folder, sizeof(folder)) &&
        mq_fs_is_folder(folder))
        st = mq_fs_list(folder, visit, &count, err);
    if (st == MQ_OK && ret_count != NULL)
        *ret_count = count;
    return st;
}
