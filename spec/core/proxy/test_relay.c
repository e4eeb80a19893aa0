#include "proxy/relay.h"
#include "fake_stream.h"
#include "test.h"

static struct fake_stream from, to;
static struct mg_relay relay;

static void begin(void)
{
    fake_stream_init(&from);
    fake_stream_init(&to);
    mg_relay_init(&relay, &from.s, NULL);
}

static void end(void)
{
    mg_relay_free(&relay);
}

static mg_str text(const char *s)
{
    return mg_str_of(s, strlen(s));
}

static void streams_as_it_comes(void)
{
    begin();
    CHECK(mg_relay_stream(&relay, &to.s) == MG_AGAIN);
    CHECK(mg_relay_data(&relay, text("ab")) == MG_AGAIN);
    CHECK(mg_relay_data(&relay, text("cd")) == MG_AGAIN);
    CHECK(strcmp(to.out, "abcd") == 0 && relay.kept.data == NULL);
    CHECK(mg_relay_end(&relay) == MG_END && to.ends == 1);
    end();
}

static void holds_one_read_until_somebody_wants_it(void)
{
    begin();
    CHECK(mg_relay_data(&relay, text("ab")) == MG_AGAIN);
    CHECK(from.paused);
    CHECK(mg_relay_stream(&relay, &to.s) == MG_AGAIN);
    CHECK(strcmp(to.out, "ab") == 0 && !from.paused);
    end();
}

static void body_whole_before_streaming_ends_at_once(void)
{
    begin();
    mg_relay_data(&relay, text("ab"));
    CHECK(mg_relay_end(&relay) == MG_AGAIN);
    CHECK(mg_relay_stream(&relay, &to.s) == MG_END);
    CHECK(strcmp(to.out, "ab") == 0 && to.ends == 1);
    end();
}

static void a_full_sink_pauses_the_source(void)
{
    begin();
    mg_relay_stream(&relay, &to.s);
    to.rc = MG_AGAIN;
    mg_relay_data(&relay, text("ab"));
    CHECK(from.paused);
    to.rc = MG_OK;
    CHECK(mg_relay_drained(&relay) == MG_AGAIN && !from.paused);
    CHECK(mg_relay_end(&relay) == MG_END);
    end();
}

static void the_end_goes_out_though_the_sink_is_full(void)
{
    begin();
    mg_relay_stream(&relay, &to.s);
    to.rc = MG_AGAIN;
    mg_relay_data(&relay, text("ab"));
    CHECK(mg_relay_end(&relay) == MG_END && to.ends == 1);
    to.rc = MG_OK;
    mg_relay_drained(&relay);
    CHECK(to.ends == 1);
    end();
}

static void a_dead_sink_is_told(void)
{
    begin();
    mg_relay_stream(&relay, &to.s);
    to.rc = MG_EGONE;
    CHECK(mg_relay_data(&relay, text("ab")) == MG_EGONE);
    end();
}

static void gathers_up_to_a_limit(void)
{
    begin();
    CHECK(mg_relay_gather(&relay, 4) == MG_AGAIN);
    CHECK(mg_relay_data(&relay, text("abcd")) == MG_AGAIN && !from.paused);
    CHECK(mg_relay_data(&relay, text("e")) == MG_ELIMIT);
    end();
    begin();
    mg_relay_data(&relay, text("abcde"));
    CHECK(mg_relay_gather(&relay, 4) == MG_ELIMIT);
    end();
    begin();
    mg_relay_data(&relay, text("abc"));
    CHECK(mg_relay_gather(&relay, 4) == MG_AGAIN && !from.paused);
    CHECK(mg_relay_end(&relay) == MG_OK && mg_relay_gather(&relay, 4) == MG_OK);
    CHECK_STR(mg_str_of(mg_buf_bytes(&relay.kept), mg_buf_len(&relay.kept)), "abc");
    end();
}

static void peeks_at_the_first_bytes(void)
{
    begin();
    CHECK(mg_relay_peek(&relay, 4) == MG_AGAIN && !from.paused);
    CHECK(mg_relay_data(&relay, text("abc")) == MG_AGAIN && !from.paused);
    CHECK(mg_relay_data(&relay, text("de")) == MG_OK && from.paused);
    CHECK(mg_relay_end(&relay) == MG_AGAIN); /* nobody waits any more */
    CHECK(mg_relay_peek(&relay, 4) == MG_OK && mg_relay_peek(&relay, 99) == MG_OK);
    CHECK(mg_relay_stream(&relay, &to.s) == MG_END && strcmp(to.out, "abcde") == 0);
    end();
    begin();
    CHECK(mg_relay_peek(&relay, 4) == MG_AGAIN);
    CHECK(mg_relay_data(&relay, text("ab")) == MG_AGAIN && mg_relay_end(&relay) == MG_OK);
    CHECK(mg_relay_stream(&relay, &to.s) == MG_END && strcmp(to.out, "ab") == 0);
    end();
    begin();
    mg_relay_data(&relay, text("abcde"));
    CHECK(mg_relay_peek(&relay, 4) == MG_OK && mg_relay_replayable(&relay));
    CHECK(mg_relay_stream(&relay, &to.s) == MG_AGAIN && !from.paused);
    CHECK(mg_relay_data(&relay, text("fg")) == MG_AGAIN && strcmp(to.out, "abcdefg") == 0);
    end();
    begin();
    CHECK(mg_relay_peek(&relay, 4) == MG_AGAIN);
    mg_relay_cut(&relay);
    CHECK(mg_relay_peek(&relay, 4) == MG_ECLOSED);
    end();
}

static void pulls_piece_by_piece(void)
{
    mg_str piece;

    begin();
    CHECK(mg_relay_next(&relay, &piece) == MG_AGAIN && !from.paused);
    CHECK(mg_relay_data(&relay, text("ab")) == MG_OK && from.paused);
    CHECK(mg_relay_next(&relay, &piece) == MG_OK);
    CHECK_STR(piece, "ab");
    CHECK(mg_relay_next(&relay, &piece) == MG_AGAIN && !from.paused);
    CHECK(mg_relay_end(&relay) == MG_OK);
    CHECK(mg_relay_next(&relay, &piece) == MG_END);
    CHECK(!mg_relay_replayable(&relay));
    end();
}

static void a_replacement_ends_the_source(void)
{
    begin();
    mg_relay_data(&relay, text("old"));
    mg_relay_replace(&relay, text("new"));
    CHECK(!from.paused);
    CHECK(mg_relay_data(&relay, text("more")) == MG_AGAIN);
    CHECK(mg_relay_end(&relay) == MG_AGAIN);
    CHECK(mg_relay_stream(&relay, &to.s) == MG_END);
    CHECK(strcmp(to.out, "new") == 0 && to.ends == 1);
    CHECK(mg_relay_replayable(&relay));
    end();
}

static void what_is_kept_is_sent_again(void)
{
    begin();
    mg_relay_keep(&relay, 10);
    mg_relay_stream(&relay, &to.s);
    mg_relay_data(&relay, text("abc"));
    CHECK(mg_relay_replayable(&relay));
    mg_relay_stop(&relay);
    CHECK(mg_relay_data(&relay, text("def")) == MG_AGAIN && from.paused);
    mg_relay_rewind(&relay);
    fake_stream_init(&to);
    CHECK(mg_relay_stream(&relay, &to.s) == MG_AGAIN && !from.paused);
    CHECK(strcmp(to.out, "abcdef") == 0);
    CHECK(mg_relay_end(&relay) == MG_END);
    end();
}

static void past_the_limit_nothing_is_kept(void)
{
    begin();
    mg_relay_keep(&relay, 4);
    mg_relay_stream(&relay, &to.s);
    mg_relay_data(&relay, text("abc"));
    mg_relay_data(&relay, text("de"));
    CHECK(!mg_relay_replayable(&relay) && relay.kept.data == NULL);
    CHECK(strcmp(to.out, "abcde") == 0);
    end();
}

static void nothing_goes_to_a_sink_that_is_gone(void)
{
    begin();
    mg_relay_stream(&relay, &to.s);
    mg_relay_stop(&relay);
    CHECK(mg_relay_data(&relay, text("ab")) == MG_AGAIN);
    CHECK(mg_relay_end(&relay) == MG_AGAIN);
    CHECK(to.len == 0 && to.ends == 0);
    CHECK(mg_relay_drained(&relay) == MG_AGAIN);
    end();
}

static void nobody_waits_for_a_source_that_is_gone(void)
{
    mg_str piece;

    begin();
    mg_relay_cut(&relay);
    CHECK(mg_relay_gather(&relay, 10) == MG_ECLOSED);
    CHECK(mg_relay_next(&relay, &piece) == MG_ECLOSED);
    CHECK(mg_relay_stream(&relay, &to.s) == MG_ECLOSED);
    end();
}

TEST_MAIN(TEST(streams_as_it_comes), TEST(holds_one_read_until_somebody_wants_it),
          TEST(body_whole_before_streaming_ends_at_once), TEST(a_full_sink_pauses_the_source),
          TEST(the_end_goes_out_though_the_sink_is_full), TEST(a_dead_sink_is_told),
          TEST(gathers_up_to_a_limit), TEST(peeks_at_the_first_bytes), TEST(pulls_piece_by_piece),
          TEST(a_replacement_ends_the_source), TEST(what_is_kept_is_sent_again),
          TEST(past_the_limit_nothing_is_kept), TEST(nothing_goes_to_a_sink_that_is_gone),
          TEST(nobody_waits_for_a_source_that_is_gone))
