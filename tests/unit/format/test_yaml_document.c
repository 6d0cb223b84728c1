#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "format/yaml_document.h"

#define has(document, key, due_text, due_line)                                                     \
    do {                                                                                           \
        const struct mq_yaml_entry *entry = mq_yaml_find(document, key);                           \
        assert_non_null(entry);                                                                    \
        assert_string_equal(entry->text, due_text);                                                \
        assert_int_equal(entry->line, due_line);                                                   \
    } while (0)

static void
settings_are_flattened(void **state)
{
    static const char text[] = "# Marquee\n"
                               "store:\n"
                               "  uri: file:data   # here\n"
                               "  retry: {count: 3, wait_ms: 100}\n"
                               "recall:\n"
                               "  channels: [category, \"level\", year]\n"
                               "  more:\n"
                               "    - a\n"
                               "    - b\n"
                               "  none:\n"
                               "  tilde: ~\n"
                               "  empty: []\n"
                               "flat.key: 'it''s'\n"
                               "long: >\n"
                               "  two\n"
                               "  lines\n";
    struct mq_yaml_document document = {0};
    struct mq_error err;
    check_ok(mq_yaml_parse(text, sizeof(text) - 1, "marquee.yaml", &document, &err));
    assert_int_equal(document.count, 10);
    assert_string_equal(document.entries[0].key, "store.uri");
    has(&document, "store.uri", "file:data", 3);
    has(&document, "store.retry.count", "3", 4);
    has(&document, "store.retry.wait_ms", "100", 4);
    has(&document, "recall.channels", "category,level,year", 6);
    assert_string_equal(mq_yaml_find(&document, "recall.more")->text, "a,b");
    has(&document, "recall.none", "", 10);
    has(&document, "recall.tilde", "", 11);
    has(&document, "recall.empty", "", 12);
    has(&document, "flat.key", "it's", 13);
    assert_string_equal(mq_yaml_find(&document, "long")->text, "two lines\n");
    assert_null(mq_yaml_find(&document, "store"));
    mq_yaml_release(&document);
    check_ok(mq_yaml_parse("# nothing\n", 10, "x", &document, &err));
    assert_int_equal(document.count, 0);
    mq_yaml_release(&document);
    check_ok(mq_yaml_parse(NULL, 0, "x", &document, &err));
    mq_yaml_release(&document);
}

static void
refused(enum mq_status code, const char *text, const char *part)
{
    struct mq_yaml_document document = {0};
    struct mq_error err;
    check_fails(code, mq_yaml_parse(text, strlen(text), "m.yaml", &document, &err));
    check_contains(err.message, part);
    check_contains(err.message, "'m.yaml'");
    assert_int_equal(document.count, 0);
}

static void
what_settings_do_not_need_is_refused(void **state)
{
    refused(MQ_E_UNSUPPORTED, "a: &x 1\n", "line 1, column 4: anchors");
    refused(MQ_E_UNSUPPORTED, "a: 1\nb: *x\n", "line 2, column 4: aliases");
    refused(MQ_E_UNSUPPORTED, "a: !!int 3\n", "tags");
    refused(MQ_E_UNSUPPORTED, "---\na: 1\n---\nb: 2\n", "line 3, column 1: a second document");
    refused(MQ_E_UNSUPPORTED, "a:\n  - b: 1\n", "lists hold plain values");
    refused(MQ_E_UNSUPPORTED, "- a\n", "lists hold plain values");
    refused(MQ_E_UNSUPPORTED, "? [a]\n: b\n", "a key that is not plain");
    refused(MQ_E_UNSUPPORTED, "a:\n  <<: {b: 1}\n", "merge keys");
    refused(MQ_E_FORMAT, "just text\n", "'key: value' lines are due");
    refused(MQ_E_FORMAT, "a: 1\na: 2\n", "line 2: 'a' is set in line 1 already");
    refused(MQ_E_FORMAT, "a.b: 1\na:\n  b: 2\n", "line 3: 'a.b' is set in line 1 already");
    refused(MQ_E_FORMAT, "a: [1\nb: 2\n", "line 2");
    refused(MQ_E_FORMAT, "a:\n\tb: 1\n", "line 2");
    refused(MQ_E_FORMAT, "a: ['x,y']\n", "comma");
    refused(MQ_E_FORMAT, "a: \"\\0\"\n", "NUL");
    char deep[400] = "";
    for (int i = 0; i < 17; i++)
        strcat(deep, "{a: ");
    strcat(deep, "1");
    for (int i = 0; i < 17; i++)
        strcat(deep, "}");
    refused(MQ_E_RANGE, deep, "16 levels");
    char *large = malloc(MQ_YAML_SIZE_MAX + 2);
    assert_non_null(large);
    memset(large, '\n', MQ_YAML_SIZE_MAX + 1);
    large[MQ_YAML_SIZE_MAX + 1] = '\0';
    refused(MQ_E_RANGE, large, "1048577 bytes");
    size_t n = 0;
    for (int i = 0; i <= MQ_YAML_ENTRIES_MAX; i++)
        n += (size_t)sprintf(large + n, "k%d: 1\n", i);
    refused(MQ_E_RANGE, large, "more than 10000");
    free(large);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_flattened),
        cmocka_unit_test(what_settings_do_not_need_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
