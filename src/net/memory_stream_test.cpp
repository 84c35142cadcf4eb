#include "net/memory_stream.h"

#include <optional>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

namespace sallyport::net {
namespace {

struct Reader final : ByteStreamReceiver {
  void on_bytes(Bytes bytes) override { text += as_text(bytes), ++pieces; }
  void on_end() override { ++ends; }
  void on_stream_error(const Error& why) override { error = why; }
  void on_stream_writable() override { ++writable; }
  std::string text;
  int pieces = 0, ends = 0, writable = 0;
  std::optional<Error> error;
};

class MemoryStream : public testing::Test {
 protected:
  void open(const MemoryStreamOptions& options = {}) {
    std::tie(near, far) = make_memory_streams(timers, options);
  }
  /// The far end has a receiver, and reads.
  void read() {
    far->set_receiver(&reader);
    far->set_reading(true);
    timers.run_deferred();
  }

  Timers timers{Time{1000s}};
  Reader reader, writer;
  std::unique_ptr<ByteStream> near, far;
};

TEST_F(MemoryStream, CarriesBytesAndThenTheEnd) {
  open();
  near->write(as_bytes("one "));
  near->write(as_bytes("two"));
  read();
  EXPECT_EQ(reader.text, "one two");
  EXPECT_EQ(near->queued_bytes(), 0u);
  EXPECT_EQ(reader.ends, 0);
  near->finish();
  timers.run_deferred();
  EXPECT_EQ(reader.ends, 1) << "also when all bytes had come before";
  EXPECT_FALSE(reader.error);
  near->write(as_bytes("late"));
  timers.run_deferred();
  EXPECT_EQ(reader.text, "one two");
  EXPECT_EQ(reader.ends, 1);
}

TEST_F(MemoryStream, CutsIntoPieces) {
  open({.piece = 2});
  near->write(as_bytes("abcde"));
  read();
  EXPECT_EQ(reader.text, "abcde");
  EXPECT_EQ(reader.pieces, 3);
}

TEST_F(MemoryStream, WhoDoesNotReadHoldsTheWriterBack) {
  open();
  near->set_receiver(&writer);
  near->write(as_bytes(std::string(ByteStream::high_water + 1, 'x')));
  near->finish();
  timers.run_deferred();
  EXPECT_EQ(near->queued_bytes(), ByteStream::high_water + 1);
  far->set_receiver(&reader);
  timers.run_deferred();
  EXPECT_EQ(reader.text, "");
  far->set_reading(true);
  timers.run_deferred();
  EXPECT_EQ(reader.text.size(), ByteStream::high_water + 1);
  EXPECT_EQ(writer.writable, 1);
  EXPECT_EQ(reader.ends, 1);
}

TEST_F(MemoryStream, CloseIsAnErrorButNotOnceBothHaveEnded) {
  open();
  read();
  near->close();
  timers.run_deferred();
  ASSERT_TRUE(reader.error);
  EXPECT_EQ(reader.error->kind, ErrorKind::closed);
  EXPECT_EQ(reader.ends, 0);

  reader = {};
  open();
  read();
  near->set_receiver(&writer);
  near->set_reading(true);
  near->finish();
  far->finish();
  timers.run_deferred();
  EXPECT_EQ(reader.ends, 1);
  EXPECT_EQ(writer.ends, 1);
  near.reset();
  timers.run_deferred();
  EXPECT_FALSE(reader.error);
}

}  // namespace
}  // namespace sallyport::net
