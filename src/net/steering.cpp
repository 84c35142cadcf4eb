#include "net/steering.h"

#include "net/socket_calls.h"

#include <array>
#include <cassert>
#include <cerrno>
#include <cstdint>

#include <linux/filter.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

// Header fields of RFC 9000 §17 and RFC 9369 §3. Offsets count from the UDP payload, where the kernel starts
// the program.
constexpr std::uint32_t long_header_bit = 0x80;
constexpr std::uint32_t type_bits = 0x30;
constexpr std::uint32_t version_1 = 1;
constexpr std::uint32_t version_2 = 0x6b3343cf;
constexpr std::uint32_t handshake_in_version_1 = 0x20;
constexpr std::uint32_t handshake_in_version_2 = 0x30;
constexpr std::uint32_t version_at = 1;
constexpr std::uint32_t long_id_length_at = 5;
constexpr std::uint32_t long_id_at = 6;
constexpr std::uint32_t short_id_at = 1;
/// No socket has this index: the kernel falls back to its hash.
constexpr std::uint32_t use_hash = 0xffffffff;

// Jump targets, filled in when the program is complete; 0 is the next instruction.
constexpr std::uint8_t to_hash = 0xff;
constexpr std::uint8_t to_short = 0xfe;

constexpr sock_filter step(int code, std::uint32_t operand) {
  return {static_cast<std::uint16_t>(code), 0, 0, operand};
}
constexpr sock_filter load_length = step(BPF_LD | BPF_W | BPF_LEN, 0);
constexpr sock_filter load_byte(std::uint32_t at) {
  return step(BPF_LD | BPF_B | BPF_ABS, at);
}
constexpr sock_filter load_word(std::uint32_t at) {
  return step(BPF_LD | BPF_W | BPF_ABS, at);
}
constexpr sock_filter jump(int test, std::uint32_t operand, std::uint8_t if_true, std::uint8_t if_false) {
  return {static_cast<std::uint16_t>(BPF_JMP | test), if_true, if_false, operand};
}

}  // namespace

Result<> attach_connection_id_steering(int fd, std::size_t workers, std::size_t worker_offset,
                                       std::size_t connection_id_length) {
  assert(worker_offset < connection_id_length && connection_id_length <= 20 && workers > 0);
  const auto offset = static_cast<std::uint32_t>(worker_offset);
  const auto id_length = static_cast<std::uint32_t>(connection_id_length);
  // A load past the packet's end would end the program with 0, which is a worker: lengths are tested first.
  std::array program{
      load_length,
      jump(BPF_JGE | BPF_K, short_id_at + id_length, 0, to_hash),
      load_byte(0),
      jump(BPF_JSET | BPF_K, long_header_bit, 0, to_short),
      // Long header: only Handshake packets are certain to have a connection ID issued by us.
      load_length,
      jump(BPF_JGE | BPF_K, long_id_at + id_length, 0, to_hash),
      load_byte(long_id_length_at),
      jump(BPF_JEQ | BPF_K, id_length, 0, to_hash),
      load_word(version_at),
      jump(BPF_JEQ | BPF_K, version_1, 0, 2),
      step(BPF_LD | BPF_IMM, handshake_in_version_1),
      step(BPF_JMP | BPF_JA, 2),
      jump(BPF_JEQ | BPF_K, version_2, 0, to_hash),
      step(BPF_LD | BPF_IMM, handshake_in_version_2),
      step(BPF_MISC | BPF_TAX, 0),
      load_byte(0),
      step(BPF_ALU | BPF_AND | BPF_K, type_bits),
      jump(BPF_JEQ | BPF_X, 0, 0, to_hash),
      load_byte(long_id_at + offset),
      step(BPF_JMP | BPF_JA, 1),
      // Short header, the fourth instruction from the end: the ID follows at once.
      load_byte(short_id_at + offset),
      jump(BPF_JGE | BPF_K, static_cast<std::uint32_t>(workers), to_hash, 0),
      step(BPF_RET | BPF_A, 0),
      step(BPF_RET | BPF_K, use_hash),
  };
  for (std::size_t i = 0; i < program.size(); ++i)
    for (std::uint8_t* target : {&program[i].jt, &program[i].jf}) {
      const std::size_t next = i + 1;
      if (*target == to_hash) *target = static_cast<std::uint8_t>(program.size() - 1 - next);
      if (*target == to_short) *target = static_cast<std::uint8_t>(program.size() - 4 - next);
    }
  const sock_fprog attached{static_cast<unsigned short>(program.size()), program.data()};
  if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &attached, sizeof attached) != 0)
    return std::unexpected(
        socket_error("cannot attach the BPF program that steers packets by connection ID", errno));
  return {};
}

}  // namespace sallyport::net
