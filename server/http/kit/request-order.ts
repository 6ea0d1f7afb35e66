// Serves the requests of each connection one at a time, in the order in which they arrive. A client can send many
// requests before it reads a response (RFC 9112, 9.3.2). The server stores only the head of each waiting request.

import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

interface Connection {
  /** The task that has started and has not ended. */
  current: Task | undefined;
  readonly waiting: Task[];
}

interface Task {
  /**
   * Absent for a task after which the connection serves no other task: an upgrade, or the answer to a request that
   * cannot be parsed.
   */
  readonly response?: ServerResponse;
  start(): void;
}

export class RequestOrder {
  readonly #connections = new WeakMap<Duplex, Connection>();

  /**
   * Starts the task when all earlier responses of the connection are complete; at once if there are none. Never starts
   * the task if the connection ends first. The connection reads nothing while a task waits.
   */
  add(socket: Duplex, task: Task): void {
    const connection = this.#connections.get(socket) ?? this.#track(socket);
    if (connection.current === undefined) return this.#start(socket, connection, task);
    connection.waiting.push(task);
    socket.pause();
  }

  /**
   * Answers an error of the parser. An error in the head of a request is answered after all earlier responses. After an
   * error in the body, or its early end, no more of the body can arrive. The answer then replaces the response of that
   * request; if that response has begun, the connection is closed.
   */
  addError(socket: Duplex, answer: () => void): void {
    const { current, waiting = [] } = this.#connections.get(socket) ?? {};
    const last = waiting.at(-1) ?? current;
    if (last?.response === undefined || last.response.req.complete) return this.add(socket, { start: answer });
    if (last !== current) waiting.splice(-1, 1, { start: answer });
    else if (last.response.headersSent) socket.destroy();
    else answer();
  }

  #track(socket: Duplex): Connection {
    const connection: Connection = { current: undefined, waiting: [] };
    this.#connections.set(socket, connection);
    // Node resumes the socket when a request has been read. Pause it again while tasks wait.
    socket.on('resume', () => {
      if (connection.waiting.length > 0) socket.pause();
    });
    return connection;
  }

  #start(socket: Duplex, connection: Connection, task: Task): void {
    connection.current = task;
    task.response?.once('close', () => this.#startNext(socket, connection));
    task.start();
  }

  #startNext(socket: Duplex, connection: Connection): void {
    connection.current = undefined;
    if (socket.destroyed) connection.waiting.length = 0;
    const next = connection.waiting.shift();
    if (next === undefined) return;
    if (connection.waiting.length === 0) socket.resume();
    this.#start(socket, connection, next);
  }
}
