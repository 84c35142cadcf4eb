// TcpConnection: one end of a TCP connection of the simulated network (RFC 9293). Its host owns it, as a
// kernel does: it goes on when its program has closed it in order, until all arrived and for a while after.
#pragma once

#include "base/result.h"
#include "net/address.h"
#include "net/timers.h"
#include "tcp_receiver.h"
#include "tcp_segment.h"
#include "tcp_sender.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace sallyport::sim {

class TcpHost;
class TcpStream;

class TcpConnection {
 public:
  /// The handshake is over. Never called once the program has let go.
  using Opened = std::function<void(Result<>)>;
  TcpConnection(TcpHost& host, const net::NetPath& path);
  TcpConnection(const TcpConnection&) = delete;
  TcpConnection& operator=(const TcpConnection&) = delete;

  void connect(Opened opened);
  /// Answers a SYN.
  void accept(const TcpSegment& syn, Opened opened);
  void on_segment(const TcpSegment& segment);
  /// What somebody on the way does who ends connections: both ends get a RST.
  void reset_from_between();
  /// Sends a RST; nothing is told.
  void abort();

  const net::NetPath& path() const { return path_; }
  /// This end, as the rest of the world sees it; a NAT may change it.
  const net::SocketAddress& seen_as() const { return seen_as_; }
  void set_seen_as(const net::SocketAddress& address) { seen_as_ = address; }
  bool is_closed() const { return state_ == State::closed; }
  bool is_held() const { return stream_ != nullptr; }

  // For its stream, which is woken when there is room, or something to read or to tell.
  void attach(TcpStream& stream) { stream_ = &stream; }
  std::size_t room() const { return state_ == State::open ? sender_.room() : 0; }
  void write(Bytes bytes);
  void finish();
  std::vector<std::uint8_t> read(std::size_t most);
  /// The peer's direction has ended in order, and all of it was read.
  bool at_end() const { return receiver_.ended() && receiver_.unread() == 0; }
  const std::optional<Error>& error() const { return error_; }
  /// The stream goes. Without an end `in_order`, or when something came that it has not read, the peer gets a
  /// RST, as from Linux.
  void let_go(bool in_order);

 private:
  enum class State : std::uint8_t { syn_sent, syn_received, open, closed };

  bool is_opening() const { return state_ == State::syn_sent || state_ == State::syn_received; }
  Time now() const;
  void send_syn();
  void on_syn(const TcpSegment& segment);
  void on_reset(const TcpSegment& segment);
  void open();
  void take(const TcpSegment& segment);
  void acknowledge();
  void emit(std::uint64_t seq, Bytes data, bool fin);
  void send(TcpSegment segment);
  void flush();
  void wake();
  void settle();
  bool is_over() const { return sender_.is_done() && receiver_.ended(); }
  void on_timer();
  void reset_peer();
  void fail(int number);
  void close();

  TcpHost& host_;
  const net::NetPath path_;
  net::SocketAddress seen_as_;
  Opened opened_;
  State state_ = State::syn_sent;
  TcpStream* stream_ = nullptr;
  std::optional<Error> error_;
  TcpReceiver receiver_;
  TcpSender sender_;
  std::uint64_t told_edge_ = 0;  // of our window
  bool ack_due_ = false;
  std::size_t peer_mss_ = 0;
  std::uint64_t peer_window_ = 0;
  Time syn_sent_{};
  unsigned syns_ = 0;
  Time lingers_until_ = never;
  net::Deferred flush_;
  net::Timer timer_;
};

}  // namespace sallyport::sim
