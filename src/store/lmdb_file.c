/*
 * The layout read here is that of LMDB 0.9, data version 1 (mdb.c: MDB_page, MDB_meta, MDB_db,
 * MDB_node): pages of the system's size, numbers in the machine's byte order. Pages 0 and 1 are
 * metas; a commit writes the one of its number's last bit. The free list is a B-tree from the
 * number of a transaction to the pages it let go: a count, then so many page numbers.
 */
#include "store/lmdb_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"

#define MAGIC UINT32_C(0xBEEFC0DE)
#define DATA_VERSION 1
#define HEAD_SIZE 16 /* of a page */
#define NODE_SIZE 8
#define PAGE_BRANCH 1
#define PAGE_LEAF 2
#define NODE_BIG 1 /* the data lies in pages of its own */
#define DEPTH_MAX 32
#define NO_PAGE UINT64_MAX
/* Commits that may overtake a look at the meta page. */
#define META_TRIES 1000
#define CLAIM_TRIES 50
#define CLAIM_PAUSE_NS 10000000L

struct meta {
    uint32_t magic, version;
    uint64_t address, map_size;
    struct {
        uint32_t pad;
        uint16_t flags, depth;
        uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
    } databases[2]; /* free pages, then all else */
    uint64_t last_page, transaction;
};

struct walk {
    int fd;
    size_t page_size;
    uint64_t held;    /* pages that the file has */
    uint64_t missing; /* free pages behind them, counted */
    bool cut;         /* a page of the list is missing itself, or makes no sense */
};

/* Read bytes that must be there. */
static bool
read_at(const struct walk *walk, uint64_t offset, void *bytes, size_t size)
{
    char *p = bytes;
    while (size > 0) {
        ssize_t n = pread(walk->fd, p, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return true;
}

/* Count the numbers of a list that lie behind the file's end. The list begins with its length. */
static bool
count_missing(struct walk *walk, uint64_t offset, uint64_t size)
{
    uint64_t numbers[512], count;
    if (size < sizeof(count) || !read_at(walk, offset, &count, sizeof(count)) ||
        count > size / sizeof(count) - 1)
        return false;
    for (uint64_t done = 0; done < count;) {
        size_t n = (size_t)MQ_MIN(count - done, (uint64_t)MQ_COUNT(numbers));
        if (!read_at(walk, offset + (done + 1) * sizeof(count), numbers, n * sizeof(count)))
            return false;
        for (size_t i = 0; i < n; i++)
            walk->missing += numbers[i] >= walk->held;
        done += n;
    }
    return true;
}

static bool
walk_page(struct walk *walk, uint64_t number, int depth)
{
    mq_autofree unsigned char *page = malloc(walk->page_size);
    if (page == NULL || depth > DEPTH_MAX ||
        !read_at(walk, number * walk->page_size, page, walk->page_size))
        return false;
    uint16_t flags, lower, at;
    memcpy(&flags, page + 10, sizeof(flags));
    memcpy(&lower, page + 12, sizeof(lower));
    if (lower < HEAD_SIZE || lower > walk->page_size || !(flags & (PAGE_BRANCH | PAGE_LEAF)))
        return false;
    for (size_t i = 0; i < (size_t)(lower - HEAD_SIZE) / sizeof(at); i++) {
        uint16_t words[4]; /* low and high of size or page, flags, size of the key */
        memcpy(&at, page + HEAD_SIZE + i * sizeof(at), sizeof(at));
        if (at < HEAD_SIZE || at > walk->page_size - NODE_SIZE)
            return false;
        memcpy(words, page + at, sizeof(words));
        uint64_t value = (uint64_t)words[0] | (uint64_t)words[1] << 16;
        uint64_t data = (uint64_t)at + NODE_SIZE + words[3], offset;
        if (flags & PAGE_BRANCH) {
            if (!walk_page(walk, value | (uint64_t)words[2] << 32, depth + 1))
                return false;
            continue;
        }
        if (words[2] & NODE_BIG) {
            uint64_t first;
            if (data > walk->page_size - sizeof(first))
                return false;
            memcpy(&first, page + data, sizeof(first));
            offset = first * walk->page_size + HEAD_SIZE;
        } else {
            offset = number * walk->page_size + data;
        }
        if (!count_missing(walk, offset, value))
            return false;
    }
    return true;
}

/* The meta page of a snapshot, which a reader holds. @return false: it was overwritten meanwhile */
static bool
read_meta(const struct walk *walk, uint64_t transaction, struct meta *ret_meta)
{
    return read_at(walk, (transaction & 1) * walk->page_size + HEAD_SIZE, ret_meta,
                   sizeof(*ret_meta)) &&
           ret_meta->magic == MAGIC && ret_meta->transaction == transaction;
}

static enum mq_status
fail_cut(const char *folder, int64_t size, uint64_t need, struct mq_error *err)
{
    mq_fail(err, MQ_E_FORMAT,
            "'%s/data.mdb' was cut short: it has %lld bytes, and its pages reach to %llu", folder,
            (long long)size, (unsigned long long)need);
    mq_error_hint(err,
                  "restore the folder from a copy, or move it away to begin anew; a copy that is "
                  "made while it is in use needs mdb_copy");
    return MQ_E_FORMAT;
}

static enum mq_status
check_snapshot(struct walk *walk, const char *folder, const struct meta *meta, struct mq_error *err)
{
    struct stat info;
    if (fstat(walk->fd, &info) != 0)
        return mq_fail_errno(err, errno, "cannot look at '%s/data.mdb'", folder);
    uint64_t pages = meta->last_page + 1;
    walk->held = (uint64_t)info.st_size / walk->page_size;
    if (meta->version != DATA_VERSION || pages <= walk->held)
        return MQ_OK;
    uint64_t root = meta->databases[0].root;
    bool whole = root == NO_PAGE || walk_page(walk, root, 0);
    return whole && walk->missing == pages - walk->held
               ? MQ_OK
               : fail_cut(folder, (int64_t)info.st_size, pages * walk->page_size, err);
}

enum mq_status
mq_lmdb_file_check(MDB_env *env, const char *folder, struct mq_error *err)
{
    struct walk walk = {0};
    MDB_stat stat;
    mdb_filehandle_t fd;
    struct meta meta;
    int code = mdb_env_get_fd(env, &fd);
    if (code == 0)
        code = mdb_env_stat(env, &stat);
    walk.fd = fd;
    walk.page_size = code == 0 ? stat.ms_psize : 0;
    for (int i = 0; code == 0 && i < META_TRIES; i++) {
        /* A snapshot keeps its pages while its reader lives, whoever writes meanwhile. */
        MDB_txn *txn;
        if ((code = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn)) != 0)
            break;
        bool found = read_meta(&walk, mdb_txn_id(txn), &meta);
        enum mq_status st = found ? check_snapshot(&walk, folder, &meta, err) : MQ_OK;
        mdb_txn_abort(txn);
        if (found)
            return st;
    }
    return code == 0
               ? MQ_OK
               : mq_fail(err, MQ_E_IO, "cannot read '%s/data.mdb': %s", folder, mdb_strerror(code));
}

/* ---- namespaces ------------------------------------------------------------------------- */

static bool
lock_file(int fd, int operation)
{
    int result;
    do
        result = flock(fd, operation);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

/* Hold the file with `own` in it, which only who is alone may write. */
static bool
try_claim(int fd, const char *own, size_t size, char text[64])
{
    if (lock_file(fd, LOCK_EX | LOCK_NB) &&
        (ftruncate(fd, 0) != 0 || pwrite(fd, own, size, 0) != (ssize_t)size))
        return false;
    /* Not one step: another may come between, so it is read again. */
    if (!lock_file(fd, LOCK_SH))
        return false;
    ssize_t n = pread(fd, text, 63, 0);
    text[n > 0 ? n : 0] = '\0';
    if (strcmp(text, own) == 0)
        return true;
    (void)lock_file(fd, LOCK_UN);
    return false;
}

enum mq_status
mq_lmdb_file_claim(const char *folder, int *ret_fd, struct mq_error *err)
{
    char own[64] = "", text[64] = "";
    ssize_t size = readlink("/proc/self/ns/pid", own, sizeof(own) - 1);
    *ret_fd = -1;
    if (size <= 0)
        return MQ_OK;
    mq_autofree char *path = mq_strfmt("%s/namespace.lock", folder);
    if (path == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return mq_fail_errno(err, errno, "cannot open '%s'", path);
    for (int i = 0; i < CLAIM_TRIES; i++) {
        errno = 0;
        if (try_claim(fd, own, (size_t)size, text)) {
            *ret_fd = fd;
            return MQ_OK;
        }
        if (errno == ENOLCK || errno == EOPNOTSUPP || errno == ENOSYS) {
            close(fd);
            return MQ_OK;
        }
        nanosleep(&(struct timespec){.tv_nsec = CLAIM_PAUSE_NS}, NULL);
    }
    close(fd);
    mq_fail(err, MQ_E_CONFIG,
            "'lmdb:%s' is in use by processes of another PID namespace (%s; this one is %s), as "
            "containers have: LMDB tells processes apart by their ids",
            folder, text, own);
    mq_error_hint(err, "let the containers share one (docker run --pid=container:NAME, in "
                       "Kubernetes shareProcessNamespace: true), or use a server: kafka:, "
                       "dynamodb:");
    return MQ_E_CONFIG;
}
