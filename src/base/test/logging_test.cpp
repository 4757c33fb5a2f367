#include "tidemark/base/logging.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tidemark/base/bytes.hpp"
#include "tidemark/base/time.hpp"

namespace tidemark::logging {
namespace {

class Logging : public ::testing::Test {
 protected:
  ~Logging() override { configure(Level::kInfo, Format::kText); }

  /// What one entry writes, without its time, which is checked.
  template <class Write>
  std::string line_of(Write write_entry) {
    ::testing::internal::CaptureStderr();
    write_entry();
    flush();
    return ::testing::internal::GetCapturedStderr();
  }
};

TEST_F(Logging, a_text_line_is_time_level_message_and_fields) {
  configure(Level::kInfo, Format::kText);
  const std::string line =
      line_of([] { info("flow caught up", {{"flow", "totals"}, {"rows", 42}, {"note", "two words"}, {"empty", ""}}); });
  const std::size_t space = line.find(' ');
  EXPECT_TRUE(parse_rfc3339(line.substr(0, space))) << line;
  EXPECT_EQ(line.substr(space), " info flow caught up flow=totals rows=42 note=\"two words\" empty=\"\"\n");
}

TEST_F(Logging, a_json_line_is_one_object) {
  configure(Level::kInfo, Format::kJson);
  const std::string line = line_of([] { error("broke", {{"count", 3}, {"error", Error(Errc::kIo, "say \"no\"")}}); });
  EXPECT_TRUE(line.starts_with(R"({"time":"2)")) << line;
  EXPECT_TRUE(line.ends_with(R"(","level":"error","message":"broke","count":3,"error":"say \"no\""})"
                             "\n"))
      << line;
}

TEST_F(Logging, a_number_that_json_has_no_form_for_is_text) {
  configure(Level::kInfo, Format::kJson);
  const std::string line =
      line_of([] { info("m", {{"n", std::nan("")}, {"i", std::numeric_limits<double>::infinity()}}); });
  EXPECT_TRUE(line.ends_with(R"("n":"nan","i":"inf"})"
                             "\n"))
      << line;
}

TEST_F(Logging, nothing_below_the_level_is_written) {
  configure(Level::kWarning, Format::kText);
  EXPECT_EQ(line_of([] {
              debug("d");
              info("i");
            }),
            "");
  EXPECT_NE(line_of([] { warning("w"); }), "");
}

TEST_F(Logging, one_entry_is_one_line_whatever_a_value_holds) {
  for (const Format format : {Format::kText, Format::kJson}) {
    configure(Level::kInfo, format);
    const std::string line = line_of([] { info("m", {{"v", "a\nb\r\t\x1b[31m\"\\"}}); });
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    EXPECT_NE(line.find(R"("a\nb\r\t\u001b[31m\"\\")"), std::string::npos) << line;
  }
}

TEST_F(Logging, bytes_that_are_not_utf8_are_replaced) {
  configure(Level::kInfo, Format::kJson);
  const std::string line = line_of([] { info("m", {{"v", "a\xff"}, {"w", "é"}}); });
  EXPECT_NE(line.find("\"v\":\"a\ufffd\",\"w\":\"é\""), std::string::npos) << line;
}

TEST_F(Logging, a_long_value_is_cut_between_characters) {
  configure(Level::kInfo, Format::kJson);
  std::string value(1023, 'x');
  value += "é and more";
  const std::string line = line_of([&] { info("m", {{"v", value}}); });
  EXPECT_NE(line.find("\"" + std::string(1023, 'x') + "\""), std::string::npos) << line;
}

}  // namespace
}  // namespace tidemark::logging
