/* Files, object headers, groups and attributes of hdf5_reader.h. */
#include "format/hdf5_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "format/hdf5_bytes.h"

#define MESSAGES_MAX 8192
#define BLOCKS_MAX 256
#define TREE_DEPTH_MAX 32
#define NAME_MAX_BYTES 1024
/* What opening a file and looking at all its objects may read, beside a share of its size; and what
 * the smallest read counts for. */
#define BUDGET_BYTES ((uint64_t)256 << 20)
#define CHARGE_MIN 64

/* ---- bytes ------------------------------------------------------------------------------ */

void
mq_hdf5_refill(struct mq_hdf5_file *file, uint64_t extra)
{
    uint64_t fresh = ((uint64_t)16 << 20) + 4 * file->size + extra;
    file->budget = MQ_MAX(file->budget, fresh);
}

enum mq_status
mq_hdf5_damaged(const struct mq_hdf5_file *file, const char *what, uint64_t address,
                struct mq_error *err)
{
    return mq_fail(err, MQ_E_FORMAT, "'%s' is damaged: %s at byte %llu", file->name, what,
                   (unsigned long long)address);
}

enum mq_status
mq_hdf5_bytes(struct mq_hdf5_file *file, uint64_t address, void *ret_bytes, size_t size,
              struct mq_error *err)
{
    if (address > file->size || size > file->size - address)
        return mq_hdf5_damaged(file, "it points past its end", address, err);
    uint64_t charge = MQ_MAX(size, CHARGE_MIN);
    if (charge > file->budget)
        return mq_hdf5_damaged(file, "its parts go in circles", address, err);
    file->budget -= charge;
    if (file->memory != NULL) {
        if (size > 0)
            memcpy(ret_bytes, file->memory + address, size);
        return MQ_OK;
    }
    unsigned char *p = ret_bytes;
    while (size > 0) {
        ssize_t n = pread(file->fd, p, size, (off_t)address);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return mq_fail_errno(err, errno, "cannot read '%s'", file->name);
        if (n == 0)
            return mq_hdf5_damaged(file, "it became shorter", address, err);
        p += n;
        address += (uint64_t)n;
        size -= (size_t)n;
    }
    return MQ_OK;
}

/* ---- opening ---------------------------------------------------------------------------- */

static enum mq_status
read_superblock(struct mq_hdf5_file *file, struct mq_error *err)
{
    unsigned char s[104] = {0};
    mq_hdf5_refill(file, BUDGET_BYTES);
    if (file->size < 8 || mq_hdf5_bytes(file, 0, s, 8, err) != MQ_OK ||
        memcmp(s, "\211HDF\r\n\032\n", 8) != 0)
        return mq_fail(err, MQ_E_FORMAT, "'%s' is not an HDF5 file: it does not begin as one",
                       file->name);
    enum mq_status st = mq_hdf5_bytes(file, 0, s, 96, err);
    if (st != MQ_OK)
        return st;
    int version = s[8];
    if (version > 1 || s[13] != 8 || s[14] != 8) {
        st = mq_fail(err, MQ_E_UNSUPPORTED,
                     "'%s' is HDF5 of a layout that is not read here "
                     "(superblock %d)",
                     file->name, version);
        mq_error_hint(err, "write it with h5py's default libver");
        return st;
    }
    const unsigned char *p = s + (version == 0 ? 24 : 28);
    if (version == 1 && (st = mq_hdf5_bytes(file, 0, s, 100, err)) != MQ_OK)
        return st;
    if (mq_hdf5_u64(p) != 0)
        return mq_fail(err, MQ_E_UNSUPPORTED, "'%s' is HDF5 inside another file", file->name);
    if (mq_hdf5_u64(p + 16) > file->size)
        return mq_fail(err, MQ_E_FORMAT, "'%s' is truncated: %llu of %llu bytes", file->name,
                       (unsigned long long)file->size, (unsigned long long)mq_hdf5_u64(p + 16));
    file->root = mq_hdf5_u64(p + 40);
    return MQ_OK;
}

static struct mq_hdf5_file *
file_new(const char *name)
{
    size_t size = strlen(name) + 1;
    struct mq_hdf5_file *file = calloc(1, sizeof(*file) + size);
    if (file != NULL) {
        memcpy(file->name, name, size);
        file->fd = -1;
    }
    return file;
}

enum mq_status
mq_hdf5_open(const char *path, const char *name, struct mq_hdf5_file **ret_file,
             struct mq_error *err)
{
    struct mq_hdf5_file *file = file_new(name);
    if (file == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a reader of '%s'", name);
    struct stat info;
    enum mq_status st;
    file->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0 || fstat(file->fd, &info) != 0) {
        st = mq_fail_errno(err, errno, "cannot open '%s'", name);
    } else if (!S_ISREG(info.st_mode)) {
        st = mq_fail(err, MQ_E_IO, "cannot read '%s': it is no ordinary file", name);
    } else {
        file->size = (uint64_t)info.st_size;
        st = read_superblock(file, err);
    }
    if (st != MQ_OK) {
        mq_hdf5_close(file);
        return st;
    }
    *ret_file = file;
    return MQ_OK;
}

enum mq_status
mq_hdf5_open_memory(const void *bytes, size_t size, const char *name,
                    struct mq_hdf5_file **ret_file, struct mq_error *err)
{
    struct mq_hdf5_file *file = file_new(name);
    if (file == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a reader of '%s'", name);
    file->memory = bytes != NULL ? bytes : (const unsigned char *)"";
    file->size = size;
    enum mq_status st = read_superblock(file, err);
    if (st != MQ_OK) {
        mq_hdf5_close(file);
        return st;
    }
    *ret_file = file;
    return MQ_OK;
}

void
mq_hdf5_close(struct mq_hdf5_file *file)
{
    if (file == NULL)
        return;
    if (file->fd >= 0)
        close(file->fd);
    free(file);
}

uint64_t
mq_hdf5_root(const struct mq_hdf5_file *file)
{
    return file->root;
}

/* ---- object headers --------------------------------------------------------------------- */

/* A header under construction: blocks are appended, messages hold offsets until it is whole. */
struct building {
    struct mq_hdf5_header header;
    size_t bytes_size, bytes_capacity, messages_capacity;
    struct {
        uint64_t address, size;
    } blocks[BLOCKS_MAX];
    int block_count;
};

static enum mq_status
read_block(struct mq_hdf5_file *file, struct building *b, int block, size_t limit,
           struct mq_error *err)
{
    uint64_t address = b->blocks[block].address, size = b->blocks[block].size;
    if (size > MQ_HDF5_HEADER_MAX - b->bytes_size)
        return mq_hdf5_damaged(file, "an object header too large", address, err);
    enum mq_status st;
    if ((st = mq_grow(&b->header.bytes, &b->bytes_capacity, b->bytes_size + (size_t)size + 1, 1,
                      err)) != MQ_OK ||
        (st = mq_hdf5_bytes(file, address, b->header.bytes + b->bytes_size, (size_t)size, err)) !=
            MQ_OK)
        return st;
    size_t at = b->bytes_size, end = at + (size_t)size;
    b->bytes_size = end;
    while (end - at >= 8 && b->header.count < limit) {
        const unsigned char *p = b->header.bytes + at;
        struct mq_hdf5_message m = {mq_hdf5_u16(p), p[4], NULL, mq_hdf5_u16(p + 2)};
        at += 8;
        if (m.size > end - at)
            return mq_hdf5_damaged(file, "a header message too long", address, err);
        if (m.type == MQ_HDF5_CONTINUATION && m.size >= 16) {
            if (b->block_count == BLOCKS_MAX)
                return mq_hdf5_damaged(file, "an object header in too many pieces", address, err);
            b->blocks[b->block_count].address = mq_hdf5_u64(p + 8);
            b->blocks[b->block_count++].size = mq_hdf5_u64(p + 16);
        }
        if ((st = mq_grow(&b->header.messages, &b->messages_capacity, b->header.count + 1,
                          sizeof(m), err)) != MQ_OK)
            return st;
        m.data = (const unsigned char *)(uintptr_t)at; /* an offset for now */
        b->header.messages[b->header.count++] = m;
        at += m.size;
    }
    return MQ_OK;
}

enum mq_status
mq_hdf5_header_read(struct mq_hdf5_file *file, uint64_t address, struct mq_hdf5_header *ret_header,
                    struct mq_error *err)
{
    unsigned char p[16];
    enum mq_status st = mq_hdf5_bytes(file, address, p, sizeof(p), err);
    if (st != MQ_OK)
        return st;
    if (memcmp(p, "OHDR", 4) == 0)
        return mq_fail(err, MQ_E_UNSUPPORTED,
                       "'%s' is HDF5 of a layout that is not read here (new object headers)",
                       file->name);
    if (p[0] != 1 || mq_hdf5_u16(p + 2) > MESSAGES_MAX)
        return mq_hdf5_damaged(file, "no object header", address, err);
    struct building *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an object header of '%s'", file->name);
    b->blocks[0].address = address + 16;
    b->blocks[0].size = mq_hdf5_u32(p + 8);
    b->block_count = 1;
    for (int i = 0; i < b->block_count && st == MQ_OK; i++)
        st = read_block(file, b, i, mq_hdf5_u16(p + 2), err);
    for (size_t i = 0; i < b->header.count; i++)
        b->header.messages[i].data = b->header.bytes + (uintptr_t)b->header.messages[i].data;
    if (st == MQ_OK)
        *ret_header = b->header;
    else
        mq_hdf5_header_release(&b->header);
    free(b);
    return st;
}

void
mq_hdf5_header_release(struct mq_hdf5_header *header)
{
    free(header->bytes);
    free(header->messages);
    *header = (struct mq_hdf5_header){0};
}

const struct mq_hdf5_message *
mq_hdf5_header_find(const struct mq_hdf5_header *header, int type)
{
    for (size_t i = 0; i < header->count; i++) {
        if (header->messages[i].type == type && (header->messages[i].flags & 2) == 0)
            return &header->messages[i];
    }
    return NULL;
}

bool
mq_hdf5_space_parse(const unsigned char *p, size_t size, int *ret_rank, uint64_t *ret_dims)
{
    if (size < 4 || (p[0] != 1 && p[0] != 2) || p[1] > MQ_HDF5_RANK_MAX)
        return false;
    if (p[0] == 2 && p[3] == 2)
        return false; /* the null dataspace */
    size_t head = p[0] == 1 ? 8 : 4;
    if (size < head + 8 * (size_t)p[1])
        return false;
    *ret_rank = p[1];
    for (int d = 0; d < p[1]; d++)
        ret_dims[d] = mq_hdf5_u64(p + head + 8 * d);
    return true;
}

/* ---- groups ----------------------------------------------------------------------------- */

/* A search for one name in a group's tree of symbol nodes. */
struct search {
    const char *name;
    size_t name_size;
    uint64_t texts, texts_size; /* the group's heap of names */
    uint64_t found;
    bool is_link;
};

static enum mq_status
search_symbols(struct mq_hdf5_file *file, uint64_t address, struct search *s, struct mq_error *err)
{
    unsigned char head[8], entry[40], name[NAME_MAX_BYTES];
    enum mq_status st = mq_hdf5_bytes(file, address, head, sizeof(head), err);
    if (st != MQ_OK)
        return st;
    if (memcmp(head, "SNOD", 4) != 0 || head[4] != 1)
        return mq_hdf5_damaged(file, "no symbol node", address, err);
    for (int i = 0; i < mq_hdf5_u16(head + 6); i++) {
        if ((st = mq_hdf5_bytes(file, address + 8 + 40 * (uint64_t)i, entry, sizeof(entry), err)) !=
            MQ_OK)
            return st;
        uint64_t at = mq_hdf5_u64(entry);
        if (at >= s->texts_size || s->name_size + 1 > s->texts_size - at)
            continue; /* a name that is shorter than the one looked for, at the heap's end */
        if ((st = mq_hdf5_bytes(file, s->texts + at, name, s->name_size + 1, err)) != MQ_OK)
            return st;
        if (memcmp(name, s->name, s->name_size) == 0 && name[s->name_size] == '\0') {
            s->found = mq_hdf5_u64(entry + 8);
            s->is_link = mq_hdf5_u32(entry + 16) == 2;
            return MQ_OK;
        }
    }
    return MQ_OK;
}

/* @param level of the node at address, -1 for the root of a tree (any) */
static enum mq_status
search_tree(struct mq_hdf5_file *file, uint64_t address, int level, struct search *s,
            struct mq_error *err)
{
    unsigned char head[24], child[8];
    enum mq_status st = mq_hdf5_bytes(file, address, head, sizeof(head), err);
    if (st != MQ_OK)
        return st;
    if (memcmp(head, "TREE", 4) != 0 || head[4] != 0 || (level >= 0 && head[5] != level) ||
        head[5] > TREE_DEPTH_MAX)
        return mq_hdf5_damaged(file, "no group node", address, err);
    for (int i = 0; i < mq_hdf5_u16(head + 6) && s->found == MQ_HDF5_UNDEFINED; i++) {
        if ((st = mq_hdf5_bytes(file, address + 24 + 8 + 16 * (uint64_t)i, child, sizeof(child),
                                err)) != MQ_OK)
            return st;
        st = head[5] > 0 ? search_tree(file, mq_hdf5_u64(child), head[5] - 1, s, err)
                         : search_symbols(file, mq_hdf5_u64(child), s, err);
        if (st != MQ_OK)
            return st;
    }
    return MQ_OK;
}

static enum mq_status
find_name(struct mq_hdf5_file *file, uint64_t group, struct search *s, struct mq_error *err)
{
    struct mq_hdf5_header header;
    unsigned char heap[32];
    enum mq_status st = mq_hdf5_header_read(file, group, &header, err);
    if (st != MQ_OK)
        return st;
    uint64_t tree = MQ_HDF5_UNDEFINED, names = MQ_HDF5_UNDEFINED;
    const struct mq_hdf5_message *table = mq_hdf5_header_find(&header, MQ_HDF5_SYMBOL_TABLE);
    if (table != NULL && table->size >= 16) {
        tree = mq_hdf5_u64(table->data);
        names = mq_hdf5_u64(table->data + 8);
    }
    mq_hdf5_header_release(&header);
    if (tree == MQ_HDF5_UNDEFINED)
        return mq_fail(
            err, MQ_E_UNSUPPORTED,
            "'%s': an object at byte %llu is no group, or one of a kind that is not read "
            "here",
            file->name, (unsigned long long)group);
    if ((st = mq_hdf5_bytes(file, names, heap, sizeof(heap), err)) != MQ_OK)
        return st;
    if (memcmp(heap, "HEAP", 4) != 0 || heap[4] != 0)
        return mq_hdf5_damaged(file, "no heap of names", names, err);
    s->texts_size = mq_hdf5_u64(heap + 8);
    s->texts = mq_hdf5_u64(heap + 24);
    if (s->texts > file->size || s->texts_size > file->size - s->texts)
        return mq_hdf5_damaged(file, "a heap past the end", names, err);
    return search_tree(file, tree, -1, s, err);
}

enum mq_status
mq_hdf5_find(struct mq_hdf5_file *file, uint64_t group, const char *path, uint64_t *ret_object,
             struct mq_error *err)
{
    const char *whole = path;
    for (;;) {
        struct search s = {
            .name = path, .name_size = strcspn(path, "/"), .found = MQ_HDF5_UNDEFINED};
        if (s.name_size < 1 || s.name_size >= NAME_MAX_BYTES)
            return mq_fail(err, MQ_E_NOT_FOUND, "'%s' has no '%s'", file->name, whole);
        enum mq_status st = find_name(file, group, &s, err);
        if (st != MQ_OK)
            return st;
        if (s.found == MQ_HDF5_UNDEFINED && !s.is_link)
            return mq_fail(err, MQ_E_NOT_FOUND, "'%s' has no '%s'", file->name, whole);
        if (s.is_link)
            return mq_fail(err, MQ_E_UNSUPPORTED, "'%s': '%s' is a link to another place",
                           file->name, whole);
        group = s.found;
        path += s.name_size;
        if (*path == '\0')
            break;
        path++;
    }
    *ret_object = group;
    return MQ_OK;
}

/* ---- attributes ------------------------------------------------------------------------- */

struct attribute {
    const unsigned char *name, *type, *space, *data;
    size_t name_size, type_size, space_size, data_size;
};

static bool
parse_attribute(const struct mq_hdf5_message *m, struct attribute *ret_attribute)
{
    const unsigned char *p = m->data;
    if (m->size < 8 || p[0] < 1 || p[0] > 3 || (p[0] > 1 && p[1] != 0))
        return false; /* shared types are not read */
    struct attribute a = {.name_size = mq_hdf5_u16(p + 2),
                          .type_size = mq_hdf5_u16(p + 4),
                          .space_size = mq_hdf5_u16(p + 6)};
    size_t at = p[0] == 3 ? 9 : 8, round = p[0] == 1 ? 7 : 0;
    size_t sizes[3] = {a.name_size, a.type_size, a.space_size};
    const unsigned char *parts[3];
    for (int i = 0; i < 3; i++) {
        size_t padded = (sizes[i] + round) & ~round;
        if (at > m->size || padded > m->size - at)
            return false;
        parts[i] = p + at;
        at += padded;
    }
    a.name = parts[0];
    a.type = parts[1];
    a.space = parts[2];
    a.data = p + at;
    a.data_size = m->size - at;
    *ret_attribute = a;
    return true;
}

/* One text of variable size: length, address of a collection, number in the collection. */
static enum mq_status
heap_text(struct mq_hdf5_file *file, const unsigned char *reference, struct mq_error *err,
          unsigned char **ret_text, size_t *ret_size)
{
    uint64_t collection = mq_hdf5_u64(reference + 4);
    size_t length = mq_hdf5_u32(reference);
    uint32_t number = mq_hdf5_u32(reference + 12);
    unsigned char head[16], object[16];
    *ret_text = NULL;
    *ret_size = 0;
    if (length == 0)
        return MQ_OK;
    enum mq_status st = mq_hdf5_bytes(file, collection, head, sizeof(head), err);
    if (st != MQ_OK)
        return st;
    uint64_t size = mq_hdf5_u64(head + 8);
    if (memcmp(head, "GCOL", 4) != 0 || head[4] != 1 || size > file->size - collection)
        return mq_hdf5_damaged(file, "no heap of texts", collection, err);
    for (uint64_t at = 16; size >= 16 && at <= size - 16;) {
        if ((st = mq_hdf5_bytes(file, collection + at, object, sizeof(object), err)) != MQ_OK)
            return st;
        uint64_t object_size = mq_hdf5_u64(object + 8);
        if (mq_hdf5_u16(object) == 0 || object_size > size - at - 16)
            break;
        if (mq_hdf5_u16(object) == number) {
            if (length > object_size || length > MQ_HDF5_TEXT_MAX)
                break;
            unsigned char *text = malloc(length);
            if (text == NULL)
                return mq_fail(err, MQ_E_NOMEM, "cannot allocate a text of '%s'", file->name);
            if ((st = mq_hdf5_bytes(file, collection + at + 16, text, length, err)) != MQ_OK) {
                free(text);
                return st;
            }
            *ret_text = text;
            *ret_size = length;
            return MQ_OK;
        }
        at += 16 + ((object_size + 7) & ~(uint64_t)7);
    }
    return mq_hdf5_damaged(file, "a text is not there, in the heap", collection, err);
}

static enum mq_status
visit_texts(struct mq_hdf5_file *file, const struct attribute *a, size_t count, mq_hdf5_text_fn fn,
            void *context, struct mq_error *err)
{
    int class = a->type[0] & 15, padding = a->type[1] & 15;
    size_t size = mq_hdf5_u32(a->type + 4);
    bool variable = class == 9 && padding == 1 && size == 16;
    if ((class != 3 && !variable) || size == 0 || count > a->data_size / size)
        return mq_fail(err, MQ_E_FORMAT, "'%s' is damaged: attribute '%.*s' is no list of names",
                       file->name, (int)MQ_MIN(a->name_size, 80), (const char *)a->name);
    for (size_t i = 0; i < count; i++) {
        const unsigned char *element = a->data + i * size;
        unsigned char *owned = NULL;
        size_t length;
        enum mq_status st = MQ_OK;
        if (variable) {
            if ((st = heap_text(file, element, err, &owned, &length)) != MQ_OK)
                return st;
            element = owned;
        } else {
            length = strnlen((const char *)element, size);
            while (padding == 2 && length > 0 && element[length - 1] == ' ')
                length--;
        }
        /* What Python wrote may count a NUL at the end in. */
        length = length > 0 ? strnlen((const char *)element, length) : 0;
        st = fn(context, length > 0 ? (const char *)element : "", length, err);
        free(owned);
        if (st != MQ_OK)
            return st;
    }
    return MQ_OK;
}

enum mq_status
mq_hdf5_texts(struct mq_hdf5_file *file, uint64_t object, const char *attribute, size_t limit,
              mq_hdf5_text_fn fn, void *context, struct mq_error *err)
{
    struct mq_hdf5_header header;
    enum mq_status st = mq_hdf5_header_read(file, object, &header, err);
    if (st != MQ_OK)
        return st;
    st = MQ_E_NOT_FOUND;
    for (size_t i = 0; i < header.count && st == MQ_E_NOT_FOUND; i++) {
        struct attribute a;
        int rank;
        uint64_t dims[MQ_HDF5_RANK_MAX];
        if (header.messages[i].type != MQ_HDF5_ATTRIBUTE || (header.messages[i].flags & 2) != 0 ||
            !parse_attribute(&header.messages[i], &a) ||
            strnlen((const char *)a.name, a.name_size) != strlen(attribute) ||
            memcmp(a.name, attribute, strlen(attribute)) != 0)
            continue;
        if (a.type_size < 8 || !mq_hdf5_space_parse(a.space, a.space_size, &rank, dims) || rank > 1)
            st = mq_fail(err, MQ_E_FORMAT, "'%s' is damaged: attribute '%s' has no shape",
                         file->name, attribute);
        else if (rank == 1 && dims[0] > limit)
            st = mq_fail(err, MQ_E_RANGE, "'%s': attribute '%s' has %llu elements (allowed: %zu)",
                         file->name, attribute, (unsigned long long)dims[0], limit);
        else if (rank == 1 && dims[0] == 0)
            st = MQ_OK;
        else
            st = visit_texts(file, &a, rank == 0 ? 1 : (size_t)dims[0], fn, context, err);
        mq_hdf5_header_release(&header);
        return st;
    }
    mq_hdf5_header_release(&header);
    return mq_fail(err, MQ_E_NOT_FOUND, "'%s' has no attribute '%s'", file->name, attribute);
}
