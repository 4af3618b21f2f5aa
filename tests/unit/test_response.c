#include "server/response.h"

#include <stdlib.h>
#include <string.h>

#include "support/scratch.h"

static enum response_state look(struct response *response, const char *text, size_t size,
                                bool ended)
{
    /* a block of its own: an address sanitizer sees a byte too far */
    char *copy = malloc(size + 1);
    assert_non_null(copy);
    memcpy(copy, text, size);
    char *exact = realloc(copy, size > 0 ? size : 1);
    assert_non_null(exact);
    const enum response_state state = response_look(response, exact, size, ended);
    free(exact);
    return state;
}

/* Every beginning asks for more until `whole` bytes are there; ended before, it is broken. */
static void check_at(const char *text, size_t whole, int status, int line)
{
    struct response response;
    for (size_t size = 0; size < whole; size++) {
        if (look(&response, text, size, false) != RESPONSE_MORE ||
            look(&response, text, size, true) != RESPONSE_BROKEN)
            fail_msg("line %d: %zu bytes of '%s'", line, size, text);
    }
    for (size_t size = whole; size <= strlen(text); size++) {
        if (look(&response, text, size, false) != RESPONSE_WHOLE || response.status != status)
            fail_msg("line %d: %zu bytes of '%s': status %d", line, size, text, response.status);
    }
}

#define check(text, status) check_at(text, strlen(text), status, __LINE__)

static void a_sized_answer_is_whole_with_its_last_byte(void **state)
{
    (void)state;
    check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 200);
    check("HTTP/1.0 200\r\ncontent-length:0\r\n\r\n", 200);
    check("HTTP/1.1 200 OK\nX: y\nCONTENT-LENGTH: \t3 \n\nabc", 200);
}

static void a_chunked_answer_is_whole_with_its_last_chunk(void **state)
{
    (void)state;
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
          "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n",
          200);
}

static void any_other_status_needs_its_line_only(void **state)
{
    (void)state;
    static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 99\r\n\r\nx";
    check_at(text, 34, 503, __LINE__);
    check_at("HTTP/1.1 204 No Content\r\n\r\n", 25, 204, __LINE__);
}

static void interim_answers_are_passed_over(void **state)
{
    (void)state;
    check("HTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\n\r\n"
          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
          200);
}

static void an_answer_without_size_ends_with_the_connection(void **state)
{
    (void)state;
    static const char text[] = "HTTP/1.1 200 OK\r\n\r\nabc";
    struct response response;
    assert_int_equal(look(&response, text, strlen(text), false), RESPONSE_MORE);
    assert_true(response.head_is_whole);
    assert_int_equal(look(&response, text, strlen(text), true), RESPONSE_WHOLE);
    assert_int_equal(look(&response, text, 18, true), RESPONSE_BROKEN);
    assert_false(response.head_is_whole);
}

static void garbage_is_broken_at_once(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SSH-2.0-OpenSSH_9.2\r\n",
        "H2TP",
        "HTTP/2 200\r\n",
        "HTTP/1.1 2OO OK\r\n",
        "HTTP/1.1 2000 OK\r\n",
        "HTTP/1.1 099 OK\r\n",
        "HTTP/1.1\r\n",
        "\r\n",
        "<html>",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct response response;
        if (look(&response, texts[i], strlen(texts[i]), false) != RESPONSE_BROKEN)
            fail_msg("'%s' passes", texts[i]);
    }
    static const char with_nul[] = "HTTP/1.1\0"
                                   "200 OK\r\n";
    struct response response;
    assert_int_equal(look(&response, with_nul, sizeof(with_nul) - 1, false), RESPONSE_BROKEN);
}

static void an_endless_size_is_only_never_whole(void **state)
{
    (void)state;
    static const char text[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999999999999999999\r\n\r\nabc";
    struct response response;
    assert_int_equal(look(&response, text, strlen(text), false), RESPONSE_MORE);
    assert_true(response.head_is_whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sized_answer_is_whole_with_its_last_byte),
        cmocka_unit_test(a_chunked_answer_is_whole_with_its_last_chunk),
        cmocka_unit_test(any_other_status_needs_its_line_only),
        cmocka_unit_test(interim_answers_are_passed_over),
        cmocka_unit_test(an_answer_without_size_ends_with_the_connection),
        cmocka_unit_test(garbage_is_broken_at_once),
        cmocka_unit_test(an_endless_size_is_only_never_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
