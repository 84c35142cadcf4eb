// Pump: moves the bytes of one direction from one end to another, each an http::Exchange or a net::ByteStream
// (or what a user makes of it). The peer of the source is held back while the sink is full: reading stops,
// and credit (Exchange::consume()) returns only for what the sink took. Used by TcpFlow, TcpTunnel and
// ingress::Forwarding; two of them make a tunnel, in which each side ends its direction alone.
#pragma once

#include "base/chunk.h"
#include "base/lifetime.h"
#include "http/exchange.h"
#include "net/byte_stream.h"

#include <cstddef>
#include <vector>

namespace sallyport::masque {

/// Where a Pump's bytes come from.
class PumpSource {
 public:
  /// While false it hands over nothing more, where it can be told. Who holds it back by its credit cannot.
  virtual void set_reading(bool on) = 0;
  /// The sink has room after these bytes: the peer may send as many again.
  virtual void consume(std::size_t bytes) = 0;

 protected:
  ~PumpSource() = default;
};

/// Where a Pump's bytes go.
class PumpSink {
 public:
  /// Takes all of it, also when it is full. A call to it, as any to a sink, may stop or destroy the Pump.
  virtual void write(Bytes bytes) = 0;
  virtual void write(const Chunk& chunk) { write(chunk.bytes()); }
  /// Its queue is above its high-water mark. Who says so calls Pump::resume() when it is writable again.
  virtual bool full() = 0;
  /// Ends the direction in order.
  virtual void finish() = 0;
  /// Ends it out of order: what was cut short must not look complete.
  virtual void abort(const Error& why) = 0;

 protected:
  ~PumpSink() = default;
};

/// An exchange as either end, or as both. Does nothing while it has none: before attach(), and after
/// detach(), which is due in on_closed at the latest.
class ExchangeEnd final : public PumpSource, public PumpSink {
 public:
  /// `on_abort`: how the exchange is reset.
  explicit ExchangeEnd(http::ResetCode on_abort) : on_abort_(on_abort) {}
  void attach(http::Exchange& exchange) { exchange_ = &exchange; }
  void detach() { exchange_ = nullptr; }
  /// Null while it has none.
  http::Exchange* get() const { return exchange_; }
  /// As a sink: what its message ends with.
  void set_trailers(const http::Fields& trailers) { trailers_ = trailers; }

  void set_reading(bool) override {}
  void consume(std::size_t bytes) override {
    if (exchange_ != nullptr) exchange_->consume(bytes);
  }
  void write(Bytes bytes) override {
    if (exchange_ != nullptr) exchange_->write(bytes);
  }
  void write(const Chunk& chunk) override {
    if (exchange_ != nullptr) exchange_->write(chunk);
  }
  bool full() override { return exchange_ != nullptr && exchange_->room() == 0; }
  void finish() override {
    if (exchange_ != nullptr) exchange_->finish(trailers_);
  }
  void abort(const Error& why) override {
    if (exchange_ != nullptr) exchange_->reset(on_abort_, why);
  }

 private:
  http::Exchange* exchange_ = nullptr;
  http::Fields trailers_;
  const http::ResetCode on_abort_;
};

/// A stream as either end, or as both. Does nothing before attach().
class StreamEnd final : public PumpSource, public PumpSink {
 public:
  void attach(net::ByteStream& stream) { stream_ = &stream; }

  void set_reading(bool on) override {
    if (stream_ != nullptr) stream_->set_reading(on);
  }
  void consume(std::size_t) override {}
  void write(Bytes bytes) override {
    if (stream_ != nullptr) stream_->write(bytes);
  }
  void write(const Chunk& chunk) override {
    if (stream_ != nullptr) stream_->write(chunk);
  }
  bool full() override { return stream_ != nullptr && stream_->queued_bytes() > net::ByteStream::high_water; }
  void finish() override {
    if (stream_ != nullptr) stream_->finish();
  }
  void abort(const Error&) override {
    if (stream_ != nullptr) stream_->close();
  }

 private:
  net::ByteStream* stream_ = nullptr;
};

/// One direction. Its user is the handler or receiver of both ends and tells it what they say.
class Pump {
 public:
  /// Both must outlive it. Nothing moves before start().
  Pump(PumpSource& from, PumpSink& to) : from_(from), to_(to) {}
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

  /// The sink may be given bytes: what is held first, the end after it. Not from inside a call to the sink.
  void start();
  /// The sink may be given none. What comes is held, and its credit with it, so there is an end to it.
  void pause();

  /// Bytes came from the source: on_body, on_bytes.
  void take(Bytes bytes);
  /// The source's direction ended in order: on_end. More than once is once.
  void end();
  /// The sink is writable again: on_writable, on_stream_writable.
  void resume();
  /// The source broke: stop(), and the sink is told. Does nothing after stop().
  void abort(const Error& why);
  /// Nothing passes any more, now or later: returns the credit of all that comes or did. Says nothing to the
  /// sink.
  void stop();

  bool stopped() const { return stopped_; }
  /// Something waits for start().
  bool holds() const { return !held_.empty() || (ended_ && !finished_); }

 private:
  template <class Piece>
  bool give(const Piece& piece);
  bool give_held();
  void settle();

  PumpSource& from_;
  PumpSink& to_;
  Lifetime lifetime_;
  std::vector<Chunk> held_;  // came while the sink might be given nothing
  std::size_t owed_ = 0;     // given to the sink, and its credit waits until that has room
  bool started_ = false;     // the sink may be given bytes
  bool held_back_ = false;   // the source was told not to read: the sink is full
  bool ended_ = false;       // by the source
  bool finished_ = false;    // the sink knows of it
  bool stopped_ = false;
};

}  // namespace sallyport::masque
