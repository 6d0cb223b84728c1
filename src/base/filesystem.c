#include "base/filesystem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

/* Make a folder, going up only as far as folders are missing. Writes to path and restores it. */
static int
make_folder(char *path)
{
    if (mkdir(path, 0777) == 0 || errno == EEXIST)
        return 0;
    char *slash = strrchr(path, '/');
    if (errno != ENOENT || slash == NULL || slash == path)
        return errno;
    *slash = '\0';
    int e = make_folder(path);
    *slash = '/';
    return e != 0 || mkdir(path, 0777) == 0 || errno == EEXIST ? e : errno;
}

enum mq_status
mq_fs_make_folders(const char *path, struct mq_error *err)
{
    char copy[MQ_PATH_MAX];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof(copy))
        return mq_fail(err, MQ_E_RANGE, "path of %zu bytes is empty or longer than %d: '%.64s'",
                       length, MQ_PATH_MAX - 1, path);
    memcpy(copy, path, length + 1);
    while (length > 1 && copy[length - 1] == '/')
        copy[--length] = '\0';
    int e = make_folder(copy);
    if (e == 0 && !mq_fs_is_folder(copy))
        e = ENOTDIR;
    return e == 0 ? MQ_OK : mq_fail_errno(err, e, "cannot make folder '%s'", path);
}

enum mq_status
mq_fs_make_parents(const char *path, struct mq_error *err)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return MQ_OK;
    mq_autofree char *parent = strndup(path, (size_t)(slash - path));
    if (parent == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    return mq_fs_make_folders(parent, err);
}

bool
mq_fs_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool
mq_fs_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

enum mq_status
mq_fs_size(const char *path, int64_t *ret_size_bytes, struct mq_error *err)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return mq_fail_errno(err, errno, "cannot look up '%s'", path);
    *ret_size_bytes = (int64_t)info.st_size;
    return MQ_OK;
}

enum mq_status
mq_fs_file_name(const char *path, char **ret_path, struct mq_error *err)
{
    const char *wrong = NULL;
    struct stat is;
    size_t size = strlen(path);
    char *target = NULL;
    if (size == 0 || path[size - 1] == '/')
        wrong = size == 0 ? "it is empty" : "it ends in '/'";
    else if (lstat(path, &is) != 0)
        target = mq_strdup(path);
    else if (S_ISLNK(is.st_mode) &&
             ((target = realpath(path, NULL)) == NULL || stat(target, &is) != 0))
        wrong = "a link to nothing is there";
    else if (!S_ISREG(is.st_mode))
        wrong = "something else is there";
    else if (target == NULL)
        target = mq_strdup(path);
    if (wrong != NULL) {
        free(target);
        mq_fail(err, MQ_E_IO, "'%s' is no name for a file: %s", path, wrong);
        mq_error_hint(err, "name a file in a folder of yours; one that is there is replaced");
        return MQ_E_IO;
    }
    if (target == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    *ret_path = target;
    return MQ_OK;
}

enum mq_status
mq_fs_create_partial(const char *path, int *ret_fd, char **ret_partial, struct mq_error *err)
{
    static _Atomic unsigned serial;
    enum mq_status st = mq_fs_make_parents(path, err);
    if (st != MQ_OK)
        return st;
    char *partial =
        mq_strfmt("%s.%ld-%u.partial", path, (long)getpid(), atomic_fetch_add(&serial, 1));
    if (partial == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    int fd = open(partial, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        st = mq_fail_errno(err, errno, "cannot create '%s'", partial);
        free(partial);
        return st;
    }
    *ret_fd = fd;
    *ret_partial = partial;
    return MQ_OK;
}

static enum mq_status
sync_folder_of(const char *path, struct mq_error *err)
{
    const char *slash = strrchr(path, '/');
    mq_autofree char *folder = slash == NULL   ? mq_strdup(".")
                               : slash == path ? mq_strdup("/")
                                               : strndup(path, (size_t)(slash - path));
    if (folder == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return mq_fail_errno(err, errno, "cannot open folder '%s'", folder);
    int e = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return e == 0 ? MQ_OK : mq_fail_errno(err, e, "cannot sync folder '%s'", folder);
}

enum mq_status
mq_fs_write(int fd, const void *bytes, size_t size, const char *path, struct mq_error *err)
{
    const char *p = bytes;
    while (size > 0) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return mq_fail_errno(err, errno, "cannot write '%s'", path);
        p += n;
        size -= (size_t)n;
    }
    return MQ_OK;
}

enum mq_status
mq_fs_publish(int fd, const char *partial, const char *path, struct mq_error *err)
{
    if (fsync(fd) != 0)
        return mq_fail_errno(err, errno, "cannot sync '%s'", partial);
    if (rename(partial, path) != 0)
        return mq_fail_errno(err, errno, "cannot publish '%s'", path);
    return sync_folder_of(path, err);
}

static int
remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)place;
    (void)kind;
    return remove(path) == 0 || errno == ENOENT ? 0 : errno;
}

enum mq_status
mq_fs_remove(const char *path, struct mq_error *err)
{
    struct stat info;
    if (lstat(path, &info) != 0)
        return errno == ENOENT ? MQ_OK : mq_fail_errno(err, errno, "cannot remove '%s'", path);
    int e = nftw(path, remove_entry, 32, FTW_DEPTH | FTW_PHYS);
    if (e == 0)
        return MQ_OK;
    return mq_fail_errno(err, e > 0 ? e : errno, "cannot remove '%s'", path);
}

enum mq_status
mq_fs_scratch(char **ret_path, struct mq_error *err)
{
    const char *root = getenv("TMPDIR");
    char *path = mq_strfmt("%s/marquee-XXXXXX", root != NULL && *root != '\0' ? root : "/tmp");
    if (path == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    if (mkdtemp(path) == NULL) {
        enum mq_status st = mq_fail_errno(err, errno, "cannot make scratch folder '%s'", path);
        free(path);
        return st;
    }
    *ret_path = path;
    return MQ_OK;
}

enum mq_status
mq_fs_list(const char *folder, mq_fs_visit_fn fn, void *context, struct mq_error *err)
{
    struct dirent **entries;
    /* alphasort compares by locale; the process runs in "C" unless a caller changed it. */
    int n = scandir(folder, &entries, NULL, alphasort);
    if (n < 0)
        return mq_fail_errno(err, errno, "cannot list folder '%s'", folder);
    enum mq_status st = MQ_OK;
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        if (st == MQ_OK && strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            char path[MQ_PATH_MAX];
            struct stat info;
            int length = snprintf(path, sizeof(path), "%s/%s", folder, name);
            if (length >= (int)sizeof(path))
                st = mq_fail(err, MQ_E_RANGE, "a path in folder '%.200s' is longer than %d bytes",
                             folder, MQ_PATH_MAX - 1);
            else if (stat(path, &info) == 0) /* gone meanwhile: as if it had not been there */
                st = fn(context, path, name, S_ISDIR(info.st_mode), (int64_t)info.st_size, err);
        }
        free(entries[i]);
    }
    free(entries);
    return st;
}
