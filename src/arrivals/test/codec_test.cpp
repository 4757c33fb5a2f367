#include "tidemark/arrivals/codec.hpp"

#include <gtest/gtest.h>

namespace tidemark::arrivals {
namespace {

Event sample_event() {
  Event event;
  event.identity = {{0x0123456789abcdef, 42}, 7};
  event.time = from_micros(-5);
  event.id = "id";
  event.source = "source";
  event.type = "type";
  event.subject = "subject \xf0\x9f\x8c\x8a";
  event.data = R"({"a":1})";
  event.extensions = "";
  return event;
}

std::string record_of(std::initializer_list<Event> events, std::string_view tenant = "default") {
  std::string payload;
  encode_record_head(payload, tenant, static_cast<std::uint32_t>(events.size()));
  for (const Event& event : events) encode_event(payload, event);
  return payload;
}

TEST(Codec, events_come_back_as_they_went_in) {
  Event without_time = sample_event();
  without_time.time.reset();
  without_time.extensions = R"({"traceparent":"x"})";
  const std::string payload = record_of({sample_event(), without_time});
  RecordReader reader(log::RecordKind::kEvents, as_bytes(payload));
  EXPECT_EQ(reader.tenant(), "default");
  ASSERT_EQ(reader.item_count(), 2u);
  Event event;
  ASSERT_TRUE(reader.next(event));
  EXPECT_EQ(event.identity.fingerprint, sample_event().identity.fingerprint);
  EXPECT_EQ(event.identity.content, 7u);
  EXPECT_EQ(event.time, from_micros(-5));
  EXPECT_EQ(event.subject, sample_event().subject);
  EXPECT_EQ(event.data, R"({"a":1})");
  ASSERT_TRUE(reader.next(event));
  EXPECT_FALSE(event.time.has_value());
  EXPECT_EQ(event.extensions, R"({"traceparent":"x"})");
  EXPECT_FALSE(reader.next(event));
  EXPECT_TRUE(reader.ok());
}

TEST(Codec, increments_come_back_as_they_went_in) {
  Increment plain;
  plain.key = *uuid_from_text("dddddddd-1234-5678-1234-567812345678");
  plain.value = 9223372036854775807;
  Increment keyed = plain;
  keyed.value = 1;
  keyed.identity = Identity{{1, 2}, 3};
  std::string payload;
  encode_record_head(payload, "t", 2);
  encode_increment(payload, plain);
  encode_increment(payload, keyed);
  RecordReader reader(log::RecordKind::kIncrements, as_bytes(payload));
  Increment read;
  ASSERT_TRUE(reader.next(read));
  EXPECT_EQ(read.value, 9223372036854775807);
  EXPECT_FALSE(read.identity.has_value());
  ASSERT_TRUE(reader.next(read));
  ASSERT_TRUE(read.identity.has_value());
  EXPECT_EQ(read.identity->content, 3u);
  EXPECT_EQ(uuid_to_text(read.key), "dddddddd-1234-5678-1234-567812345678");
}

TEST(Codec, skipping_lands_on_the_same_item_as_reading) {
  Event second = sample_event();
  second.id = "second";
  const std::string payload = record_of({sample_event(), second});
  RecordReader reader(log::RecordKind::kEvents, as_bytes(payload));
  ASSERT_TRUE(reader.skip(1));
  Event event;
  ASSERT_TRUE(reader.next(event));
  EXPECT_EQ(event.id, "second");
  EXPECT_FALSE(reader.skip(1));
}

TEST(Codec, a_payload_cut_anywhere_ends_the_reading_as_broken) {
  const std::string payload = record_of({sample_event(), sample_event()});
  for (std::size_t size = 0; size < payload.size(); ++size) {
    // A copy of exactly that size, so that the address sanitizer sees a read past it.
    const std::string cut(payload, 0, size);
    RecordReader reader(log::RecordKind::kEvents, as_bytes(cut));
    Event event;
    std::uint32_t read = 0;
    while (reader.next(event)) ++read;
    EXPECT_LT(read, 2u) << size;
    EXPECT_FALSE(reader.ok()) << size;
  }
}

TEST(Codec, another_version_is_not_read) {
  std::string payload = record_of({sample_event()});
  payload[0] = 2;
  RecordReader reader(log::RecordKind::kEvents, as_bytes(payload));
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.item_count(), 0u);
}

TEST(Codec, only_the_canonical_form_is_a_uuid) {
  EXPECT_TRUE(uuid_from_text("11111111-1111-1111-1111-111111111111"));
  for (const char* text : {"", "11111111111111111111111111111111", "{11111111-1111-1111-1111-111111111111}",
                           "urn:uuid:11111111-1111-1111-1111-111111111111", "1111111-11111-1111-1111-111111111111",
                           "11111111-1111-1111-1111-11111111111g", "11111111-1111-1111-1111-1111111111111"}) {
    EXPECT_FALSE(uuid_from_text(text)) << text;
  }
}

}  // namespace
}  // namespace tidemark::arrivals
