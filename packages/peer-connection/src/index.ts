export type {
  DatagramHandler,
  NetworkInterface,
  Runtime,
  StreamHandler,
  StreamOptions,
  StreamSocket,
  TcpListener,
  TcpListenOptions,
  TimerHandle,
  UdpOptions,
  UdpSocket,
} from './runtime.ts';
