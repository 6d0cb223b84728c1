#include "check.h"

#include <math.h>

#include "base/memory.h"
#include "format/faiss_index.h"

/* Four points on a line; 3 is on two layers. M is 1: two links on the ground, one above. */
static float vectors[] = {0, 0, 1, 0, 2, 0, 3, 0};
static double probas[] = {0.75, 0.25};
static int32_t cum[] = {0, 2, 3};
static int32_t levels[] = {1, 1, 1, 2};
static uint64_t offsets[] = {0, 2, 4, 6, 9};
static int32_t neighbors[] = {1, -1, 0, 2, 1, 3, 2, -1, -1};

static struct mq_faiss_hnsw
line_graph(void)
{
    return (struct mq_faiss_hnsw){2, probas, cum, levels, offsets, neighbors, 3, 1, 40, 16};
}

static struct mq_faiss_index
line_index(struct mq_faiss_hnsw *hnsw)
{
    return (struct mq_faiss_index){MQ_FAISS_INNER_PRODUCT, 2, 4, vectors, hnsw};
}

static void
write_to(struct mq_buffer *buffer, const struct mq_faiss_index *index)
{
    struct mq_error err = {0};
    struct mq_writer *writer;
    check_ok(mq_writer_to_buffer(buffer, &writer, &err));
    check_ok(mq_faiss_index_write(index, writer, &err));
    check_ok(mq_writer_commit(writer, &err));
    mq_writer_close(writer);
}

static enum mq_status
read_from(const void *bytes, size_t size, bool know_size, struct mq_faiss_index *index,
          struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_reader_from_memory(bytes, size, "mem", &reader, err);
    assert_int_equal(st, MQ_OK);
    if (!know_size)
        reader->size_bytes = -1;
    st = mq_faiss_index_read(reader, index, err);
    mq_reader_close(reader);
    return st;
}

static void
flat_comes_back(void **state)
{
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    struct mq_faiss_index index = line_index(NULL), back;
    write_to(&buffer, &index);
    assert_int_equal(buffer.size, 37 + 8 + 8 * 4);
    assert_memory_equal(buffer.data, "IxFI\2\0\0\0\4", 9);
    for (int known = 0; known < 2; known++) {
        check_ok(read_from(buffer.data, buffer.size, known, &back, &err));
        assert_int_equal(back.dim, 2);
        assert_int_equal(back.n, 4);
        assert_int_equal(back.metric, MQ_FAISS_INNER_PRODUCT);
        assert_null(back.hnsw);
        assert_int_equal((uintptr_t)back.vectors % MQ_ALIGNMENT, 0);
        assert_memory_equal(back.vectors, vectors, sizeof(vectors));
        mq_faiss_index_release(&back);
    }
    index.metric = MQ_FAISS_L2;
    index.n = 0;
    mq_buffer_reset(&buffer);
    write_to(&buffer, &index);
    check_ok(read_from(buffer.data, buffer.size, true, &back, &err));
    assert_int_equal(back.n, 0);
    assert_int_equal(back.metric, MQ_FAISS_L2);
    mq_faiss_index_release(&back);
    /* The older name of the same kind. */
    memcpy(buffer.data, "IxFl", 4);
    check_ok(read_from(buffer.data, buffer.size, true, &back, &err));
    mq_faiss_index_release(&back);
    mq_buffer_release(&buffer);
}

static void
graph_comes_back(void **state)
{
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    struct mq_faiss_hnsw hnsw = line_graph();
    struct mq_faiss_index index = line_index(&hnsw), back;
    write_to(&buffer, &index);
    for (int known = 0; known < 2; known++) {
        check_ok(read_from(buffer.data, buffer.size, known, &back, &err));
        assert_non_null(back.hnsw);
        assert_int_equal(back.hnsw->level_count, 2);
        assert_memory_equal(back.hnsw->assign_probas, probas, sizeof(probas));
        assert_memory_equal(back.hnsw->cum_neighbors, cum, sizeof(cum));
        assert_memory_equal(back.hnsw->levels, levels, sizeof(levels));
        assert_memory_equal(back.hnsw->offsets, offsets, sizeof(offsets));
        assert_memory_equal(back.hnsw->neighbors, neighbors, sizeof(neighbors));
        assert_int_equal(back.hnsw->entry_point, 3);
        assert_int_equal(back.hnsw->max_level, 1);
        assert_int_equal(back.hnsw->ef_construction, 40);
        assert_int_equal(back.hnsw->ef_search, 16);
        assert_memory_equal(back.vectors, vectors, sizeof(vectors));
        mq_faiss_index_release(&back);
    }
    mq_buffer_release(&buffer);
}

static void
large_vectors_of_unknown_size_come_back(void **state)
{
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    enum { N = 30000, DIM = 32 }; /* passes the first pieces of a source of unknown size */
    struct mq_faiss_index index = {.metric = MQ_FAISS_L2, .dim = DIM, .n = N}, back;
    check_ok(mq_alloc_array(N * DIM, sizeof(float), &index.vectors, &err));
    for (int i = 0; i < N * DIM; i++)
        index.vectors[i] = (float)i;
    write_to(&buffer, &index);
    check_ok(read_from(buffer.data, buffer.size, false, &back, &err));
    assert_memory_equal(back.vectors, index.vectors, sizeof(float) * N * DIM);
    mq_faiss_index_release(&back);
    mq_faiss_index_release(&index);
    mq_buffer_release(&buffer);
}

static void
every_truncation_is_refused(void **state)
{
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    struct mq_faiss_hnsw hnsw = line_graph();
    struct mq_faiss_index index = line_index(&hnsw), back;
    write_to(&buffer, &index);
    for (size_t size = 0; size < buffer.size; size++) {
        check_fails(MQ_E_FORMAT, read_from(buffer.data, size, true, &back, &err));
        check_fails(MQ_E_FORMAT, read_from(buffer.data, size, false, &back, &err));
        check_contains(err.message, "'mem'");
    }
    struct mq_buffer longer = {0};
    check_ok(mq_buffer_append(&longer, buffer.data, buffer.size, &err));
    check_ok(mq_buffer_append_char(&longer, 0, &err));
    check_fails(MQ_E_FORMAT, read_from(longer.data, longer.size, true, &back, &err));
    check_contains(err.message, "bytes follow");
    mq_buffer_release(&longer);
    mq_buffer_release(&buffer);
}

static void
hostile_sizes_are_refused_before_memory(void **state)
{
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    struct mq_faiss_index index = line_index(NULL), back;
    write_to(&buffer, &index);
    struct {
        size_t at, size;
        int64_t value;
        enum mq_status status;
    } changes[] = {
        {4, 4, 0, MQ_E_FORMAT},
        {4, 4, -1, MQ_E_FORMAT},
        {4, 4, MQ_FAISS_DIM_MAX + 1, MQ_E_FORMAT},
        {8, 8, -1, MQ_E_FORMAT},
        {8, 8, INT64_MAX, MQ_E_FORMAT},
        {8, 8, INT32_MAX, MQ_E_FORMAT}, /* not what the data's length says */
        {33, 4, 1, MQ_E_FORMAT},        /* inner product by name, L2 by number */
        {33, 4, 2, MQ_E_UNSUPPORTED},
        {37, 8, -1, MQ_E_FORMAT},
        {0, 4, 0x66765749, MQ_E_UNSUPPORTED}, /* "IWvf" */
    };
    for (size_t i = 0; i < MQ_COUNT(changes); i++) {
        unsigned char copy[128];
        memcpy(copy, buffer.data, buffer.size);
        memcpy(copy + changes[i].at, &changes[i].value, changes[i].size);
        check_fails(changes[i].status, read_from(copy, buffer.size, true, &back, &err));
    }
    check_contains(err.message, "IWvf");
    check_contains(err.hint, "IndexHNSWFlat");
    /* 2^31-1 vectors that agree with themselves, in a short file and in an endless-looking one. */
    unsigned char copy[128];
    memcpy(copy, buffer.data, buffer.size);
    int64_t n = INT32_MAX, elements = n * 2;
    memcpy(copy + 8, &n, 8);
    memcpy(copy + 37, &elements, 8);
    check_fails(MQ_E_FORMAT, read_from(copy, buffer.size, true, &back, &err));
    check_contains(err.message, "truncated");
    check_fails(MQ_E_FORMAT, read_from(copy, buffer.size, false, &back, &err));
    mq_buffer_release(&buffer);
}

static void
broken_graphs_are_refused(void **state)
{
    struct mq_error err = {0};
    struct mq_faiss_hnsw hnsw = line_graph();
    check_ok(mq_faiss_hnsw_check(&hnsw, 4, &err));
    struct {
        int32_t *place, value;
        const char *message;
    } faults[] = {
        {&neighbors[0], 4, "links on level 0 to 4"},
        {&neighbors[0], -2, "to -2"},
        {&neighbors[8], 0, "links on level 1 to 0"}, /* 0 is on the ground only */
        {&levels[1], 0, "vector 1 is on 0"},
        {&levels[1], 3, "vector 1 is on 3"},
        {&levels[1], 2, "vector 1 has links"},
        {&cum[0], 1, "begin with 1"},
        {&cum[1], 4, "link counts go"},
        {&hnsw.entry_point, 0, "entered at 0"},
        {&hnsw.entry_point, 4, "entered at 4"},
        {&hnsw.max_level, 0, "on level 0"},
        {&hnsw.level_count, 65, "65 graph levels"},
        {&hnsw.ef_search, -1, "search width"},
    };
    for (size_t i = 0; i < MQ_COUNT(faults); i++) {
        int32_t before = *faults[i].place;
        *faults[i].place = faults[i].value;
        check_fails(MQ_E_RANGE, mq_faiss_hnsw_check(&hnsw, 4, &err));
        check_contains(err.message, faults[i].message);
        *faults[i].place = before;
    }
    offsets[2] = UINT64_MAX;
    check_fails(MQ_E_RANGE, mq_faiss_hnsw_check(&hnsw, 4, &err));
    offsets[2] = 4;
    probas[0] = NAN;
    check_fails(MQ_E_RANGE, mq_faiss_hnsw_check(&hnsw, 4, &err));
    probas[0] = 0.75;
    check_ok(mq_faiss_hnsw_check(&hnsw, 4, &err));
}

static void
values_that_are_not_finite_are_refused(void **state)
{
    struct mq_error err = {0};
    struct mq_buffer buffer = {0};
    struct mq_faiss_index index = line_index(NULL), back;
    write_to(&buffer, &index);
    float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        memcpy(buffer.data + 45 + 5 * 4, &bad[i], 4);
        check_fails(MQ_E_FORMAT, read_from(buffer.data, buffer.size, true, &back, &err));
        check_contains(err.message, "vector 2 ");
        float table[] = {1, 2, 3, bad[i]};
        struct mq_faiss_index broken = {MQ_FAISS_L2, 2, 2, table, NULL};
        struct mq_writer *writer;
        struct mq_buffer out = {0};
        check_ok(mq_writer_to_buffer(&out, &writer, &err));
        check_fails(MQ_E_RANGE, mq_faiss_index_write(&broken, writer, &err));
        check_contains(err.message, "vector 1 ");
        mq_writer_close(writer);
        mq_buffer_release(&out);
    }
    mq_buffer_release(&buffer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flat_comes_back),
        cmocka_unit_test(graph_comes_back),
        cmocka_unit_test(large_vectors_of_unknown_size_come_back),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(hostile_sizes_are_refused_before_memory),
        cmocka_unit_test(broken_graphs_are_refused),
        cmocka_unit_test(values_that_are_not_finite_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
