#include "http/h3_control_reader.h"

#include "http/h3_for_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

using namespace test;
using testing::ElementsAre;

/// Reads what a test says, in pieces of `piece` bytes, and notes what it is told.
struct Reading final : H3ControlReader::Receiver {
  explicit Reading(bool server, std::size_t bytes = 1'000'000) : reader(server), piece(bytes) {}
  /// The connection error that it ends with; 0 for none.
  std::uint64_t read(std::string_view text) {
    for (; !text.empty(); text.remove_prefix(std::min(piece, text.size())))
      if (const auto result = reader.read(as_bytes(text.substr(0, piece)), *this); !result)
        return result.error().code;
    return 0;
  }
  Result<> on_settings(const H3Settings&) override {
    log.push_back(reader.settings() != nullptr ? "settings" : "settings that are not there");
    return {};
  }
  Result<> on_goaway(std::uint64_t id) override {
    log.push_back("goaway " + std::to_string(id));
    return {};
  }
  Result<> on_priority_update(quic::StreamId id, const Priority& priority) override {
    log.push_back("priority " + std::to_string(id) + " u=" + std::to_string(priority.urgency));
    return {};
  }
  Result<> on_control_frame() override {
    ++others;
    return {};
  }
  void saw_control_frame(std::uint64_t type, std::uint64_t length, Bytes payload) override {
    seen.push_back(std::to_string(type) + " " + std::to_string(length) + (payload.empty() ? "" : " told"));
  }

  H3ControlReader reader;
  std::size_t piece;
  std::vector<std::string> log, seen;
  int others = 0;
};

TEST(H3ControlReader, TellsWhatFramesSayInAnyPieces) {
  const std::string text = settings_frame({}) + frame(H3Frame::goaway, varint(8)) +
                           frame(0x21, std::string(100'000, 'x')) + frame(H3Frame::max_push_id, varint(3)) +
                           frame(H3Frame::priority_update, varint(4) + "u=1") +
                           frame(H3Frame::goaway, varint(7));
  for (const std::size_t piece : {1u, 2u, 7u, 1'000'000u}) {
    Reading server(true, piece);
    EXPECT_EQ(server.reader.settings(), nullptr);
    EXPECT_EQ(server.read(text), 0u);
    EXPECT_THAT(server.log, ElementsAre("settings", "goaway 8", "priority 4 u=1", "goaway 7"));
    EXPECT_EQ(server.others, 5) << "all but SETTINGS cost";
    ASSERT_EQ(server.seen.size(), 6u);
    EXPECT_EQ(server.seen[2], "33 100000") << "nothing of it is kept";
  }
}

TEST(H3ControlReader, SettingsComeFirstAndOnce) {
  EXPECT_EQ(Reading(true).read(frame(H3Frame::goaway, varint(0))), code(H3Code::missing_settings));
  EXPECT_EQ(Reading(true).read(settings_frame() + settings_frame()), code(H3Code::frame_unexpected));
}

TEST(H3ControlReader, GoawayIsNeverRaisedAndAServersNamesARequest) {
  Reading client(false);
  EXPECT_EQ(
      client.read(settings_frame() + frame(H3Frame::goaway, varint(8)) + frame(H3Frame::goaway, varint(12))),
      code(H3Code::id_error));
  EXPECT_THAT(client.log, ElementsAre("settings", "goaway 8"));
  EXPECT_EQ(Reading(false).read(settings_frame() + frame(H3Frame::goaway, varint(7))),
            code(H3Code::id_error));
}

TEST(H3ControlReader, RefusesFramesThatDoNotBelongThere) {
  const auto after_settings = [](bool server, std::string text) {
    return Reading(server).read(settings_frame() + text);
  };
  for (const bool server : {true, false})
    for (const std::uint64_t type : {0x0, 0x1, 0x2, 0x5, 0x6, 0x8, 0x9})
      EXPECT_EQ(after_settings(server, frame(type, "")), code(H3Code::frame_unexpected)) << type;
  for (const H3Frame type : {H3Frame::max_push_id, H3Frame::priority_update, H3Frame::priority_update_push})
    EXPECT_EQ(after_settings(false, frame(type, varint(0))), code(H3Code::frame_unexpected));
  EXPECT_EQ(after_settings(true, frame(H3Frame::priority_update_push, varint(0))), code(H3Code::id_error));
  EXPECT_EQ(after_settings(true, frame(H3Frame::cancel_push, varint(0))), code(H3Code::id_error));
  EXPECT_EQ(after_settings(true, frame(H3Frame::goaway, varint(0) + "x")), code(H3Code::frame_error));
  EXPECT_EQ(after_settings(true, frame(H3Frame::goaway, "123456789")), code(H3Code::frame_error));
  EXPECT_EQ(after_settings(true, frame(H3Frame::priority_update, varint(2) + "u=1")), code(H3Code::id_error));
  EXPECT_EQ(Reading(true).read(frame(H3Frame::settings, std::string(5000, 'x'))),
            code(H3Code::excessive_load));
}

}  // namespace
}  // namespace sallyport::http
