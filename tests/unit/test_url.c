#include "base/url.h"

#include <stdio.h>
#include <string.h>

#include "support/scratch.h"

static void a_url_is_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *port, *authority, *target, *shown;
        bool tls;
    } cases[] = {
        {"http://127.0.0.1:8000/v1/models", "127.0.0.1", "8000", "127.0.0.1:8000", "/v1/models",
         "http://127.0.0.1:8000/v1/models", false},
        {"http://server", "server", "80", "server", "/", "http://server/", false},
        {"http://server:80/a", "server", "80", "server", "/a", "http://server/a", false},
        {"https://server", "server", "443", "server", "/", "https://server/", true},
        {"https://server:80?a=b#c", "server", "80", "server:80", "/?a=b", "https://server:80/",
         true},
        {"http://[::1]:8000/h?key=secret", "::1", "8000", "[::1]:8000", "/h?key=secret",
         "http://[::1]:8000/h", false},
        {"http://[fe80::1%]", NULL, NULL, NULL, NULL, NULL, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct url url;
        const char *problem = url_parse(&url, cases[i].text);
        if (cases[i].host == NULL) {
            assert_non_null(problem);
            continue;
        }
        assert_null(problem);
        assert_int_equal(url.tls, cases[i].tls);
        assert_string_equal(url.host, cases[i].host);
        assert_string_equal(url.port, cases[i].port);
        assert_string_equal(url.authority, cases[i].authority);
        assert_string_equal(url.target, cases[i].target);
        assert_string_equal(url.shown, cases[i].shown);
    }
}

static void what_is_not_clearly_a_url_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "server",
        "ftp://server/",
        "http:/server",
        "http://",
        "http:///path",
        "http://:80/",
        "http://server:/",
        "http://server:0/",
        "http://server:65536/",
        "http://server:8o/",
        "http://server:80:80/",
        "http://user:password@server/",
        "http://server/a b",
        "http://server/a\r\nX: y",
        "http://server/\x7f",
        "http://server/\xc3\xa9",
        "http://se\\rver/",
        "http://ser^ver/",
        "http://[::1/",
        "http://[::1]x/",
        "http://[]/",
        "http://[name]/",
        "http://::1/",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct url url;
        if (url_parse(&url, texts[i]) == NULL)
            fail_msg("'%s' passes", texts[i]);
    }
}

static void lengths_are_limited(void **state)
{
    (void)state;
    char text[URL_LIMIT + 100];
    struct url url;
    memset(text, 'a', sizeof(text));
    memcpy(text, "http://server/", 14);
    text[URL_LIMIT - 272] = '\0';
    assert_null(url_parse(&url, text));
    assert_int_equal(strlen(url.target), URL_LIMIT - 272 - 13);
    text[URL_LIMIT - 272] = 'a';
    text[URL_LIMIT - 271] = '\0';
    assert_non_null(url_parse(&url, text));
    memset(text, 'a', sizeof(text));
    memcpy(text, "http://", 7);
    text[7 + 255] = '\0';
    assert_null(url_parse(&url, text));
    text[7 + 255] = 'a';
    text[7 + 256] = '\0';
    assert_non_null(url_parse(&url, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_is_taken_apart),
        cmocka_unit_test(what_is_not_clearly_a_url_is_refused),
        cmocka_unit_test(lengths_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
