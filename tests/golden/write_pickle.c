/* write_pickle OUT DATA: OUT/marquee.pickle for pickle_golden.py to load. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "format/pickle_writer.h"

static void
write_atoms(struct mq_pickle_writer *w)
{
    static const int64_t ints[] = {0,
                                   255,
                                   256,
                                   65535,
                                   65536,
                                   -1,
                                   INT32_MAX,
                                   INT32_MIN,
                                   INT64_C(1) << 31,
                                   INT64_C(-2147483649),
                                   INT64_MAX,
                                   INT64_MIN};
    mq_pickle_put_string(w, "atoms");
    mq_pickle_begin_list(w);
    mq_pickle_put_none(w);
    mq_pickle_put_bool(w, true);
    mq_pickle_put_bool(w, false);
    for (size_t i = 0; i < MQ_COUNT(ints); i++)
        mq_pickle_put_int(w, ints[i]);
    mq_pickle_put_real(w, 0.1);
    mq_pickle_put_real(w, -0.0);
    mq_pickle_put_real(w, (double)INFINITY);
    mq_pickle_put_real(w, (double)NAN);
    mq_pickle_end(w);
}

static void
write_texts(struct mq_pickle_writer *w)
{
    char text[300];
    unsigned char bytes[700];
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)i;
    mq_pickle_put_string(w, "texts");
    mq_pickle_begin_list(w);
    mq_pickle_put_string(w, "");
    mq_pickle_put_string(w, "é");
    mq_pickle_put_text(w, text, sizeof(text));
    for (int i = 0; i < 3; i++)
        mq_pickle_put_string(w, "again");
    mq_pickle_end(w);
    mq_pickle_put_string(w, "bytes");
    mq_pickle_begin_list(w);
    mq_pickle_put_bytes(w, "", 0);
    mq_pickle_put_bytes(w, "\x00\xff", 2);
    mq_pickle_put_bytes(w, bytes, sizeof(bytes));
    mq_pickle_end(w);
    mq_pickle_put_string(w, "tuple");
    mq_pickle_begin_tuple(w);
    mq_pickle_put_int(w, 1);
    mq_pickle_begin_tuple(w);
    mq_pickle_end(w);
    mq_pickle_begin_tuple(w);
    mq_pickle_put_string(w, "a");
    mq_pickle_put_real(w, 2.5);
    mq_pickle_end(w);
    mq_pickle_end(w);
}

static void
write_long(struct mq_pickle_writer *w)
{
    char key[16];
    mq_pickle_put_string(w, "long_list");
    mq_pickle_begin_list(w);
    for (int i = 0; i < 2500; i++)
        mq_pickle_put_int(w, i);
    mq_pickle_end(w);
    mq_pickle_put_string(w, "long_dict");
    mq_pickle_begin_dict(w);
    for (int i = 0; i < 2500; i++) {
        snprintf(key, sizeof(key), "%d", i);
        mq_pickle_put_string(w, key);
        mq_pickle_put_int(w, i);
    }
    mq_pickle_end(w);
}

static void
write_arrays(struct mq_pickle_writer *w)
{
    static const float f4[] = {0, 1, 2, 3, 4, 5};
    static const double f8[] = {0, 1, 2};
    static const int32_t i4[] = {-1, 2};
    static const int64_t i8[] = {INT64_C(1) << 40};
    static const uint8_t u1[] = {0, 1, 2, 3};
    mq_pickle_put_string(w, "arrays");
    mq_pickle_begin_list(w);
    mq_pickle_put_array(w, MQ_PICKLE_F4, 2, (int64_t[]){2, 3}, f4);
    mq_pickle_put_array(w, MQ_PICKLE_F8, 1, (int64_t[]){3}, f8);
    mq_pickle_put_array(w, MQ_PICKLE_I4, 1, (int64_t[]){2}, i4);
    mq_pickle_put_array(w, MQ_PICKLE_I8, 2, (int64_t[]){1, 1}, i8);
    mq_pickle_put_array(w, MQ_PICKLE_U1, 4, (int64_t[]){1, 2, 2, 1}, u1);
    mq_pickle_put_array(w, MQ_PICKLE_F4, 2, (int64_t[]){0, 3}, f4);
    mq_pickle_put_array(w, MQ_PICKLE_F4, 1, (int64_t[]){6}, f4);
    mq_pickle_end(w);
}

static void
write_recall(struct mq_pickle_writer *w)
{
    char text[16];
    mq_pickle_put_string(w, "recall");
    mq_pickle_begin_dict(w);
    for (int user = 0; user < 3; user++) {
        snprintf(text, sizeof(text), "%d", user);
        mq_pickle_put_string(w, text);
        mq_pickle_begin_dict(w);
        for (int item = user; item < user + 3; item++) {
            snprintf(text, sizeof(text), "%d", item);
            mq_pickle_put_string(w, text);
            mq_pickle_begin_list(w);
            mq_pickle_put_string(w, text);
            mq_pickle_put_string(w, "category");
            mq_pickle_put_int(w, item - user);
            mq_pickle_put_real(w, item * 0.5);
            mq_pickle_end(w);
        }
        mq_pickle_end(w);
    }
    mq_pickle_end(w);
}

int
main(int argc, char **argv)
{
    struct mq_error err;
    struct mq_writer *out;
    struct mq_pickle_writer *w;
    char path[MQ_PATH_MAX];
    if (argc < 2)
        return 2;
    snprintf(path, sizeof(path), "%s/marquee.pickle", argv[1]);
    if (mq_writer_to_file(path, &out, &err) != MQ_OK ||
        mq_pickle_writer_new(out, &w, &err) != MQ_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    mq_pickle_begin_dict(w);
    write_atoms(w);
    write_texts(w);
    write_long(w);
    write_arrays(w);
    write_recall(w);
    mq_pickle_end(w);
    enum mq_status st = mq_pickle_finish(w, &err);
    if (st == MQ_OK)
        st = mq_writer_commit(out, &err);
    if (st != MQ_OK)
        fprintf(stderr, "%s\n", err.message);
    mq_pickle_writer_free(w);
    mq_writer_close(out);
    return st != MQ_OK;
}
