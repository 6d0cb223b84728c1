#include "../model/hybrid_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "model/hybrid_registry.h"
#include "serve/served_model.h"
#include "step_fixture.h"

/* The model that serves: exchanged while others answer with it, refused where it is damaged. */

struct serving {
    struct step_fixture *f;
    struct mq_metrics *metrics;
    struct mq_served_model *served;
};

static int
setup(void **state)
{
    struct serving *s = calloc(1, sizeof(*s));
    struct mq_error err = {0};
    void *fixture;
    if (fixture_setup(&fixture) != 0)
        return 1;
    s->f = fixture;
    mq_autofree char *uri = mq_strfmt("file:%s/store", s->f->folder);
    fixture_option(s->f, "store.uri", uri);
    fixture_option(s->f, "filter.list", "4");
    check_ok(mq_metrics_new(&s->metrics, &err));
    check_ok(mq_served_model_open(s->f->config, s->metrics, &s->served, &err));
    *state = s;
    return 0;
}

static int
teardown(void **state)
{
    struct serving *s = *state;
    void *fixture = s->f;
    mq_served_model_free(s->served);
    mq_metrics_free(s->metrics);
    free(s);
    return fixture_teardown(&fixture);
}

static void
put_catalogue(struct serving *s)
{
    struct mq_buffer text = {0};
    struct mq_error err = {0};
    check_ok(mq_buffer_append_text(&text,
                                   "program_id,program_type,program_name,release_year,"
                                   "category_property,is_new\n",
                                   &err));
    for (int i = 0; i < ITEMS; i++)
        check_ok(mq_buffer_printf(&text, &err, "%s,movie,%s,%d,%s,0\n", films[i].id, films[i].title,
                                  films[i].year, films[i].property[MQ_PROPERTY_CATEGORY]));
    fixture_put(s->f, "system/item-data/basic/1.csv", text.data);
    mq_buffer_release(&text);
    fixture_ok(s->f, mq_step_item_preprocessing);
}

static void
save(struct serving *s, uint64_t seed, char ret_version[MQ_HYBRID_VERSION_SIZE])
{
    struct mq_error err = {0};
    struct mq_hybrid *hybrid = make_hybrid(s->f->pool, seed);
    check_ok(mq_hybrid_save(s->f->store, "1", hybrid, NULL, &err));
    memcpy(ret_version, hybrid->version, MQ_HYBRID_VERSION_SIZE);
    mq_hybrid_free(hybrid);
}

static void
deploy(struct serving *s, const char *version)
{
    struct mq_error err = {0};
    struct mq_hybrid_pointer pointer = {0};
    check_ok(mq_hybrid_pointer_read(s->f->store, "1", &pointer, &err));
    check_ok(mq_hybrid_pointer_move(
        s->f->store, "1", &pointer,
        &(struct mq_hybrid_move){.version = version, .by = "deploy", .at_s = NOW}, &err));
    mq_hybrid_pointer_release(&pointer);
}

static void
check_serves(struct serving *s, const char *version)
{
    char serving[MQ_HYBRID_VERSION_SIZE];
    int64_t made_s = -1;
    mq_served_model_version(s->served, serving, &made_s);
    assert_string_equal(serving, version);
    assert_true(made_s == (*version != '\0' ? NOW : 0));
}

/* A list of a lease's model. @return films in it */
static int32_t
use(struct mq_lease *lease, int user_number)
{
    struct mq_error err = {0};
    struct mq_rated_user user;
    struct mq_hybrid_recommendations list;
    char id[16];
    snprintf(id, sizeof(id), "u%d", user_number);
    enum mq_status st =
        mq_rated_user_make(lease->snapshot->hybrid->hybrid, id, NULL, 0, lease->arena, &user, &err);
    const struct mq_hybrid_request request = {.user = &user, .method = MQ_METHOD_HYBRID};
    if (st == MQ_OK)
        st = mq_hybrid_recommend(lease->session, &request, &list, &err);
    return st == MQ_OK ? list.count : -1;
}

static void
exchange_fails(struct serving *s, enum mq_status code, const char *part)
{
    struct mq_exchange exchange;
    struct mq_error err = {0};
    check_fails(code, mq_served_model_exchange(s->served, &exchange, &err));
    check_contains(err.message, part);
    assert_string_equal(exchange.version, "");
}

static void
there_is_none_yet(void **state)
{
    struct serving *s = *state;
    struct mq_lease lease;
    struct mq_error err = {0};
    char a[MQ_HYBRID_VERSION_SIZE];
    check_serves(s, "");
    check_fails(MQ_E_NOT_FOUND, mq_served_model_lease(s->served, &lease, &err));
    check_contains(err.message, "no model serves yet");
    exchange_fails(s, MQ_E_NOT_FOUND, "item.parquet"); /* nor a catalogue */
    put_catalogue(s);
    exchange_fails(s, MQ_E_NOT_FOUND, "no hybrid model serves");
    save(s, 1, a);
    exchange_fails(s, MQ_E_NOT_FOUND, "no hybrid model serves"); /* made, not deployed */
    check_serves(s, "");
}

static void
takes_up_what_is_deployed(void **state)
{
    struct serving *s = *state;
    struct mq_exchange exchange;
    struct mq_lease lease, second;
    struct mq_error err = {0};
    char a[MQ_HYBRID_VERSION_SIZE], b[MQ_HYBRID_VERSION_SIZE];
    put_catalogue(s);
    save(s, 1, a);
    save(s, 2, b);
    deploy(s, a);
    check_ok(mq_served_model_exchange(s->served, &exchange, &err));
    assert_string_equal(exchange.version, a);
    assert_string_equal(exchange.previous, "");
    assert_true(exchange.seconds > 0);
    check_serves(s, a);

    /* Held while it is exchanged: the lease goes on with what it was given. */
    check_ok(mq_served_model_lease(s->served, &lease, &err));
    check_ok(mq_served_model_lease(s->served, &second, &err));
    assert_ptr_equal(lease.snapshot, second.snapshot);
    assert_ptr_not_equal(lease.session, second.session);
    deploy(s, b);
    check_ok(mq_served_model_exchange(s->served, &exchange, &err));
    assert_string_equal(exchange.version, b);
    assert_string_equal(exchange.previous, a);
    check_serves(s, b);
    assert_string_equal(lease.snapshot->hybrid->hybrid->version, a);
    assert_true(use(&lease, 1) > 0);
    mq_served_model_release(s->served, &lease);
    assert_null(lease.session);
    assert_true(use(&second, 2) > 0);
    mq_served_model_release(s->served, &second);
    check_ok(mq_served_model_lease(s->served, &lease, &err));
    assert_string_equal(lease.snapshot->hybrid->hybrid->version, b);
    mq_served_model_release(s->served, &lease);

    /* The same again reads the catalogue anew. */
    check_ok(mq_served_model_exchange(s->served, &exchange, &err));
    assert_string_equal(exchange.version, b);
    assert_string_equal(exchange.previous, b);
}

static void
truncate_file(struct serving *s, const char *version, const char *file, off_t by)
{
    mq_autofree char *path =
        mq_strfmt("%s/store/1/model/hybrid/%s/%s", s->f->folder, version, file);
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    assert_int_equal(fseeko(stream, 0, SEEK_END), 0);
    off_t size = ftello(stream);
    fclose(stream);
    assert_int_equal(truncate(path, size - by), 0);
}

/* Each damage is told with the file's name, and the old model goes on. */
static void
refuses_what_is_damaged(void **state)
{
    static const char *const files[] = {
        "users.json",          "items.json",       "ratings.safetensors", "neighbours.safetensors",
        "factors.safetensors", "ease.safetensors", "model.json"};
    struct serving *s = *state;
    struct mq_exchange exchange;
    struct mq_error err = {0};
    struct mq_lease lease;
    char a[MQ_HYBRID_VERSION_SIZE], b[MQ_HYBRID_VERSION_SIZE], path[128];
    put_catalogue(s);
    save(s, 1, a);
    save(s, 2, b);
    deploy(s, a);
    check_ok(mq_served_model_exchange(s->served, &exchange, &err));
    deploy(s, b);
    for (size_t i = 0; i < MQ_COUNT(files); i++) {
        struct mq_buffer whole = {0};
        char key[MQ_OBJECT_KEY_MAX];
        snprintf(path, sizeof(path), "1/model/hybrid/%s/%s", b, files[i]);
        snprintf(key, sizeof(key), "%s", path);
        check_ok(mq_object_get(s->f->store, key, &whole, &err));
        truncate_file(s, b, files[i], 1 + (off_t)(whole.size / 2));
        exchange_fails(s, MQ_E_FORMAT, files[i]);
        check_serves(s, a);
        check_ok(mq_served_model_lease(s->served, &lease, &err));
        assert_true(use(&lease, (int)i) > 0);
        mq_served_model_release(s->served, &lease);
        check_ok(mq_object_put(s->f->store, key, whole.data, whole.size, MQ_PUT_ALWAYS, NULL, NULL,
                               &err));
        mq_buffer_release(&whole);
    }
    /* Of a newer form; gone; a pointer that cannot be read. */
    snprintf(path, sizeof(path), "model/hybrid/%s/model.json", b);
    mq_autofree char *model = fixture_get(s->f, path);
    fixture_put(s->f, path, "{\"format\": \"marquee-hybrid\", \"form\": 99}");
    exchange_fails(s, MQ_E_UNSUPPORTED, b);
    fixture_put(s->f, path, model);
    check_ok(mq_served_model_exchange(s->served, &exchange, &err));
    assert_string_equal(exchange.previous, a);
    check_serves(s, b);
    fixture_put(s->f, "model/hybrid/current.json",
                "{\"version\": \"20260101T000000Z-00000000\", \"history\": []}");
    exchange_fails(s, MQ_E_NOT_FOUND, "20260101T000000Z-00000000");
    fixture_put(s->f, "model/hybrid/current.json", "{");
    exchange_fails(s, MQ_E_FORMAT, "current.json");
    check_serves(s, b);

    /* A server that starts on one that is gone, or damaged, says which and what to do. */
    struct mq_served_model *fresh;
    fixture_put(s->f, "model/hybrid/current.json",
                "{\"version\": \"20260101T000000Z-00000000\", \"history\": []}");
    check_ok(mq_served_model_open(s->f->config, s->metrics, &fresh, &err));
    check_fails(MQ_E_NOT_FOUND, mq_served_model_exchange(fresh, &exchange, &err));
    assert_string_equal(exchange.unread, "20260101T000000Z-00000000");
    check_contains(err.message, "the model that is to serve, '20260101T000000Z-00000000'");
    check_contains(err.hint, "marquee models rollback, or marquee models promote");
    check_fails(MQ_E_NOT_FOUND, mq_served_model_lease(fresh, &lease, &err));
    check_contains(err.message, "'20260101T000000Z-00000000' is deployed, but cannot be read");
    check_contains(err.message, "marquee models rollback, or promote");
    mq_autofree char *pointer = mq_strfmt("{\"version\": \"%s\", \"history\": []}", b);
    fixture_put(s->f, "model/hybrid/current.json", pointer);
    check_ok(mq_served_model_exchange(fresh, &exchange, &err));
    assert_string_equal(exchange.unread, "");
    truncate_file(s, b, "factors.safetensors", 1);
    check_fails(MQ_E_FORMAT, mq_served_model_exchange(fresh, &exchange, &err));
    assert_string_equal(exchange.unread, b);
    check_contains(err.message, "factors.safetensors");
    check_contains(err.hint, "marquee models rollback, or marquee models promote");
    check_ok(mq_served_model_lease(fresh, &lease, &err)); /* the old one goes on */
    mq_served_model_release(fresh, &lease);
    mq_served_model_free(fresh);
}

/* Every number of a file may be one, and what comes of them none. */
static void
refuses_scores_that_are_no_numbers(void **state)
{
    struct serving *s = *state;
    struct mq_exchange exchange;
    struct mq_error err = {0};
    char a[MQ_HYBRID_VERSION_SIZE], b[MQ_HYBRID_VERSION_SIZE];
    put_catalogue(s);
    save(s, 1, a);
    deploy(s, a);
    check_ok(mq_served_model_exchange(s->served, &exchange, &err));
    struct mq_hybrid *wild = make_hybrid(s->f->pool, 2);
    for (int m = 0; m < MQ_METHOD_COUNT; m++)
        wild->blend[m] = m == MQ_METHOD_POPULAR ? -3e38F : 3e38F;
    check_ok(mq_hybrid_save(s->f->store, "1", wild, NULL, &err));
    memcpy(b, wild->version, sizeof(b));
    mq_hybrid_free(wild);
    deploy(s, b);
    exchange_fails(s, MQ_E_FORMAT, "its scores are no numbers");
    check_serves(s, a);
}

/* ---- under load --------------------------------------------------------------------------- */

enum { READERS = 4, EXCHANGES = 12 };

struct reader {
    struct serving *s;
    _Atomic bool *stop;
    _Atomic int *answers;
    const char *a, *b;
    int of_a, of_b, bad; /* lists by version */
};

static void *
read_on(void *context)
{
    struct reader *r = context;
    for (int k = 0; !atomic_load(r->stop); k++) {
        struct mq_lease lease;
        if (mq_served_model_lease(r->s->served, &lease, NULL) != MQ_OK) {
            r->bad++;
            continue;
        }
        char before[MQ_HYBRID_VERSION_SIZE];
        const struct mq_hybrid *h = lease.snapshot->hybrid->hybrid;
        memcpy(before, h->version, sizeof(before));
        r->bad += use(&lease, k % (USERS + 2)) <= 0;
        r->bad += strcmp(before, lease.snapshot->hybrid->hybrid->version) != 0;
        r->of_a += strcmp(before, r->a) == 0;
        r->of_b += strcmp(before, r->b) == 0;
        mq_served_model_release(r->s->served, &lease);
        atomic_fetch_add(r->answers, 1);
    }
    return NULL;
}

static void
is_exchanged_under_load(void **state)
{
    struct serving *s = *state;
    struct mq_exchange exchange;
    struct mq_error err = {0};
    char a[MQ_HYBRID_VERSION_SIZE], b[MQ_HYBRID_VERSION_SIZE];
    struct reader readers[READERS];
    pthread_t threads[READERS];
    _Atomic bool stop = false;
    _Atomic int answers = 0;
    put_catalogue(s);
    save(s, 1, a);
    save(s, 2, b);
    deploy(s, a);
    check_ok(mq_served_model_exchange(s->served, &exchange, &err));
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct reader){s, &stop, &answers, a, b, 0, 0, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
    }
    for (int k = 0; k < EXCHANGES; k++) {
        int seen = atomic_load(&answers);
        while (atomic_load(&answers) < seen + 2 * READERS)
            sched_yield(); /* each model answers */
        deploy(s, k % 2 == 0 ? b : a);
        check_ok(mq_served_model_exchange(s->served, &exchange, &err));
        assert_string_equal(exchange.version, k % 2 == 0 ? b : a);
    }
    atomic_store(&stop, true);
    int of_a = 0, of_b = 0;
    for (int i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(readers[i].bad, 0);
        of_a += readers[i].of_a;
        of_b += readers[i].of_b;
    }
    assert_int_equal(of_a + of_b, atomic_load(&answers));
    assert_true(of_a > 0 && of_b > 0);
    check_serves(s, a);
}

/* ---- two at once -------------------------------------------------------------------------- */

struct exchanger {
    struct serving *s;
    _Atomic int done, refused, bad;
};

/* Until one of the two has exchanged and one was refused. */
static void *
exchange_on(void *context)
{
    struct exchanger *e = context;
    while (atomic_load(&e->done) == 0 || atomic_load(&e->refused) == 0) {
        struct mq_exchange exchange;
        struct mq_error err = {0};
        enum mq_status st = mq_served_model_exchange(e->s->served, &exchange, &err);
        bool refused = st == MQ_E_CONFLICT && strstr(err.message, "another reload") != NULL;
        atomic_fetch_add(st == MQ_OK ? &e->done : refused ? &e->refused : &e->bad, 1);
        if (st != MQ_OK && !refused)
            break;
    }
    return NULL;
}

static void
one_exchange_at_a_time(void **state)
{
    struct serving *s = *state;
    char a[MQ_HYBRID_VERSION_SIZE];
    struct exchanger two = {s, 0, 0, 0};
    pthread_t threads[2];
    put_catalogue(s);
    save(s, 1, a);
    deploy(s, a);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, exchange_on, &two), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&two.bad), 0);
    assert_true(atomic_load(&two.done) > 0 && atomic_load(&two.refused) > 0);
    check_serves(s, a);
    /* All of it is counted. */
    struct mq_buffer text = {0};
    struct mq_error err = {0};
    char line[128];
    check_ok(mq_metrics_text(s->metrics, &text, &err));
    snprintf(line, sizeof(line), "marquee_model_exchanges_total %d\n", atomic_load(&two.done));
    check_contains(text.data, line);
    mq_buffer_release(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(there_is_none_yet, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_up_what_is_deployed, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_scores_that_are_no_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(is_exchanged_under_load, setup, teardown),
        cmocka_unit_test_setup_teardown(one_exchange_at_a_time, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
