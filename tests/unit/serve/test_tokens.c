/* Tokens: made, checked, listed, revoked; the file's mode; what is not in the file. */
#include "check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/filesystem.h"
#include "base/memory.h"
#include "base/stream.h"
#include "serve/tokens.h"

static char *folder;
static char path[256];

static int
make_folder(void **state)
{
    (void)state;
    struct mq_error err = {0};
    check_ok(mq_fs_scratch(&folder, &err));
    snprintf(path, sizeof(path), "%s/sub/tokens.json", folder);
    return 0;
}

static int
remove_folder(void **state)
{
    (void)state;
    (void)!mq_fs_remove(folder, NULL);
    free(folder);
    return 0;
}

static int
check_header(const char *prefix, const char *token, uint32_t scope)
{
    struct mq_error err = {0};
    struct mq_tokens *tokens;
    char header[256];
    snprintf(header, sizeof(header), "%s%s", prefix, token);
    check_ok(mq_tokens_load(path, &tokens, &err));
    int status = mq_tokens_check(tokens, header, scope);
    mq_tokens_free(tokens);
    return status;
}

static void
scopes_hold(void **state)
{
    (void)state;
    struct mq_error err = {0};
    char writer[MQ_TOKEN_SIZE], admin[MQ_TOKEN_SIZE], id[MQ_TOKEN_ID_SIZE];
    check_ok(mq_token_create(path, "web", MQ_SCOPE_EVENTS_WRITE, writer, id, &err));
    check_ok(mq_token_create(path, "ops", MQ_SCOPE_ADMIN, admin, NULL, &err));
    assert_int_equal(strlen(writer), 4 + 16 + 1 + 43);
    assert_int_equal(check_header("Bearer ", writer, MQ_SCOPE_EVENTS_WRITE), 200);
    assert_int_equal(check_header("bearer  ", writer, MQ_SCOPE_EVENTS_WRITE), 200);
    assert_int_equal(check_header("Bearer ", writer, MQ_SCOPE_RECOMMEND_READ), 403);
    assert_int_equal(check_header("Bearer ", writer, MQ_SCOPE_ADMIN), 403);
    assert_int_equal(check_header("Bearer ", admin, MQ_SCOPE_EVENTS_WRITE), 200);
    assert_int_equal(check_header("Bearer ", admin, MQ_SCOPE_ADMIN), 200);
    assert_int_equal(check_header("Basic ", writer, MQ_SCOPE_EVENTS_WRITE), 401);
    assert_int_equal(check_header("", writer, MQ_SCOPE_EVENTS_WRITE), 401);
    assert_int_equal(check_header("Bearer ", "", MQ_SCOPE_EVENTS_WRITE), 401);
    /* Any other character anywhere, and any other length, is another token. */
    for (size_t i = 0; i < strlen(writer); i++) {
        char wrong[MQ_TOKEN_SIZE];
        memcpy(wrong, writer, sizeof(wrong));
        wrong[i] = wrong[i] == 'x' ? 'y' : 'x';
        assert_int_equal(check_header("Bearer ", wrong, MQ_SCOPE_EVENTS_WRITE), 401);
        wrong[i] = '\0';
        assert_int_equal(check_header("Bearer ", wrong, MQ_SCOPE_EVENTS_WRITE), 401);
    }
    struct mq_tokens *tokens;
    check_ok(mq_tokens_load(path, &tokens, &err));
    assert_int_equal(mq_tokens_check(tokens, NULL, MQ_SCOPE_EVENTS_WRITE), 401);
    assert_int_equal(tokens->count, 2);
    assert_string_equal(tokens->rows[0].id, id);
    assert_string_equal(tokens->rows[0].name, "web");
    mq_tokens_free(tokens);
}

static void
the_file_tells_nothing(void **state)
{
    (void)state;
    struct mq_error err = {0};
    char token[MQ_TOKEN_SIZE], other[MQ_TOKEN_SIZE];
    check_ok(mq_token_create(path, "web", MQ_SCOPE_EVENTS_WRITE, token, NULL, &err));
    check_ok(mq_token_create(path, "web", MQ_SCOPE_EVENTS_WRITE, other, NULL, &err));
    assert_string_not_equal(token, other);
    struct mq_reader *reader;
    struct mq_buffer text = {0};
    check_ok(mq_reader_from_file(path, &reader, &err));
    check_ok(mq_reader_all(reader, 1 << 20, &text, &err));
    mq_reader_close(reader);
    assert_null(strstr(text.data, token + 21));
    mq_buffer_release(&text);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    struct mq_tokens *tokens;
    assert_int_equal(chmod(path, 0640), 0);
    check_fails(MQ_E_CONFIG, mq_tokens_load(path, &tokens, &err));
    check_contains(err.hint, "chmod 600");
    check_fails(MQ_E_CONFIG, mq_token_create(path, "x", MQ_SCOPE_ADMIN, token, NULL, &err));
}

static void
revoking(void **state)
{
    (void)state;
    struct mq_error err = {0};
    char a[MQ_TOKEN_SIZE], b[MQ_TOKEN_SIZE], c[MQ_TOKEN_SIZE];
    char id[MQ_TOKEN_ID_SIZE];
    check_ok(mq_token_create(path, "web", MQ_SCOPE_EVENTS_WRITE, a, id, &err));
    check_ok(mq_token_create(path, "web", MQ_SCOPE_EVENTS_WRITE, b, NULL, &err));
    check_ok(mq_token_create(path, "tv", MQ_SCOPE_EVENTS_WRITE, c, NULL, &err));
    check_fails(MQ_E_CONFLICT, mq_token_revoke(path, "web", &err));
    check_fails(MQ_E_NOT_FOUND, mq_token_revoke(path, "radio", &err));
    check_ok(mq_token_revoke(path, id, &err));
    assert_int_equal(check_header("Bearer ", a, MQ_SCOPE_EVENTS_WRITE), 401);
    assert_int_equal(check_header("Bearer ", b, MQ_SCOPE_EVENTS_WRITE), 200);
    check_ok(mq_token_revoke(path, "tv", &err));
    assert_int_equal(check_header("Bearer ", c, MQ_SCOPE_EVENTS_WRITE), 401);
    check_ok(mq_token_revoke(path, "web", &err));
    assert_int_equal(check_header("Bearer ", b, MQ_SCOPE_EVENTS_WRITE), 401);
}

static void
bad_input(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_tokens *tokens;
    char token[MQ_TOKEN_SIZE];
    uint32_t scopes;
    check_fails(MQ_E_NOT_FOUND, mq_tokens_load(path, &tokens, &err));
    check_contains(err.hint, "marquee token create");
    check_fails(MQ_E_USAGE, mq_token_create(path, "", 1, token, NULL, &err));
    check_fails(MQ_E_USAGE, mq_token_create(path, "a b", 1, token, NULL, &err));
    check_fails(MQ_E_USAGE, mq_scopes_parse("events:write,all", &scopes, &err));
    check_contains(err.message, "'all' is no scope");
    check_fails(MQ_E_USAGE, mq_scopes_parse("", &scopes, &err));
    check_ok(mq_scopes_parse("events:write,admin", &scopes, &err));
    assert_int_equal(scopes, MQ_SCOPE_EVENTS_WRITE | MQ_SCOPE_ADMIN);
    static const char *const bad[] = {
        "",
        "[]",
        "{\"version\": 2, \"tokens\": []}",
        "{\"version\": 1}",
        "{\"version\": 1, \"tokens\": [{}]}",
        "{\"version\": 1, \"tokens\": [{\"id\": \"1\", \"name\": \"n\", \"created\": \"\", "
        "\"salt\": "
        "\"00\", \"hash\": \"00\"}]}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        check_ok(mq_fs_make_parents(path, &err));
        int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
        assert_int_equal(write(fd, bad[i], strlen(bad[i])), strlen(bad[i]));
        close(fd);
        assert_int_not_equal(mq_tokens_load(path, &tokens, &err), MQ_OK);
        check_contains(err.message, path);
    }
}

/* Four processes add at the same time: none is lost. */
static void
several_processes(void **state)
{
    (void)state;
    struct mq_error err = {0};
    for (int i = 0; i < 4; i++) {
        if (fork() == 0) {
            char token[MQ_TOKEN_SIZE];
            enum mq_status st = MQ_OK;
            for (int k = 0; st == MQ_OK && k < 5; k++)
                st = mq_token_create(path, "n", MQ_SCOPE_ADMIN, token, NULL, NULL);
            _exit(st == MQ_OK ? 0 : 1);
        }
    }
    for (int i = 0; i < 4; i++) {
        int status;
        assert_true(wait(&status) > 0 && status == 0);
    }
    struct mq_tokens *tokens;
    check_ok(mq_tokens_load(path, &tokens, &err));
    assert_int_equal(tokens->count, 20);
    mq_tokens_free(tokens);
}

#define TOKEN_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TOKEN_TEST(scopes_hold), TOKEN_TEST(the_file_tells_nothing), TOKEN_TEST(revoking),
        TOKEN_TEST(bad_input),   TOKEN_TEST(several_processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
