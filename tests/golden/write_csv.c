/* write_csv OUT DATA: OUT/marquee.csv and OUT/marquee-underscore.csv for csv_golden.py to read. */
#include <stdio.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "format/csv_writer.h"

static void
write_titles(struct mq_csv_writer *csv)
{
    static const struct {
        const char *title;
        double score;
        const char *score_text;
    } rows[] = {{"Plain", 0.1, NULL},
                {"With \"quotes\", and a comma", 3, NULL},
                {"Two\nlines", -1e-7, NULL},
                {"", 0, ""},
                {"Amélie 日本 😀", 1e300, NULL},
                {" blanks ", 0, "7"},
                {"\"", 0, "8"}};
    mq_csv_put_text(csv, "id");
    mq_csv_put_text(csv, "title");
    mq_csv_put_text(csv, "score");
    mq_csv_end_row(csv);
    for (size_t i = 0; i < MQ_COUNT(rows); i++) {
        mq_csv_put_int(csv, (int64_t)i + 1);
        mq_csv_put_text(csv, rows[i].title);
        if (rows[i].score_text != NULL)
            mq_csv_put_text(csv, rows[i].score_text);
        else
            mq_csv_put_real(csv, rows[i].score);
        mq_csv_end_row(csv);
    }
}

static void
write_actions(struct mq_csv_writer *csv)
{
    static const char *const fields[] = {"u1", "the \"big\" one", "3", "u_", "x_", "4", "", "é",
                                         "5.5"};
    for (size_t i = 0; i < MQ_COUNT(fields); i++) {
        mq_csv_put_text(csv, fields[i]);
        if (i % 3 == 2)
            mq_csv_end_row(csv);
    }
}

static int
write_file(const char *folder, const char *name, const char *separator, enum mq_csv_quoting quoting,
           void (*rows)(struct mq_csv_writer *csv))
{
    struct mq_error err;
    struct mq_writer *out;
    struct mq_csv_writer csv;
    char path[MQ_PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    enum mq_status st = mq_writer_to_file(path, &out, &err);
    if (st == MQ_OK) {
        st = mq_csv_writer_init(&csv, out, separator, quoting, &err);
        if (st == MQ_OK)
            rows(&csv);
        if (st == MQ_OK)
            st = mq_csv_finish(&csv, &err);
        if (st == MQ_OK)
            st = mq_writer_commit(out, &err);
        mq_writer_close(out);
    }
    if (st != MQ_OK)
        fprintf(stderr, "%s\n", err.message);
    return st != MQ_OK;
}

int
main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    return write_file(argv[1], "marquee.csv", ",", MQ_CSV_WRITE_QUOTED, write_titles) |
           write_file(argv[1], "marquee-underscore.csv", "_!_", MQ_CSV_WRITE_PLAIN, write_actions);
}
