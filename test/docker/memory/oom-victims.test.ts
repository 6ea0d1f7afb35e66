// Tests `OomVictims`, which finds the containers of killed processes in the kernel log, as Linux 6.18 writes it.

import { expect } from 'chai';
import { OomVictims } from '../../../server/docker/memory/oom-victims.ts';

const id = 'e21d0576b8c894d8b228d2759c58ffcd3426e338ca54d8b49124cb2156dbfd86';
const another = '9367904c48a2983a4802251455c4bb86984d46aff529136ddcd5610cba6cad72';

/** Pieces of the message in the order in which the kernel prints them. */
function messagePieces(limited: string, victim: string, command = 'sh'): string[] {
  return [
    'oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null)',
    ',cpuset=',
    victim.slice(victim.lastIndexOf('/') + 1),
    ',mems_allowed=0',
    ',oom_memcg=',
    limited,
    ',task_memcg=',
    victim,
    `,task=${command},pid=16411,uid=0`,
  ];
}

const message = (limited: string, victim: string, command?: string): string =>
  messagePieces(limited, victim, command).join('');

function readVictims(...records: readonly string[]): OomVictims {
  const victims = new OomVictims();
  for (const record of records) victims.add(record);
  return victims;
}

describe('docker: records of the kernel about lack of memory', () => {
  it('a record names the container whose process was killed', () => {
    for (const cgroup of [
      `/docker/${id}`,
      `/system.slice/docker-${id}.scope`,
      `/machine.slice/libpod-${id}.scope/container`,
      `/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${id}.scope/container`,
    ]) {
      const victims = readVictims(`6,1872,767314415,-;${message(cgroup, cgroup)}\n`);
      expect(victims.has(id), cgroup).to.equal(true);
      expect(victims.has(another), cgroup).to.equal(false);
    }
  });

  it('a record of a nested container also names the outer container', () => {
    const path = `/docker/${id}/docker/${another}`;
    const victims = readVictims(`6,1872,767314415,-;${message(path, path)}\n`);
    expect([victims.has(id), victims.has(another)]).to.deep.equal([true, true]);
  });

  it('a record names the container of the killed process, not the cgroup whose limit was reached', () => {
    const victims = readVictims(`6,1872,767314415,-;${message(`/docker/${id}`, `/docker/${id}/${another}`)}\n`);
    expect(victims.has(another)).to.equal(true);
    expect(readVictims(`6,1,2,-;${message(`/docker/${id}`, '/elsewhere')}\n`).has(id)).to.equal(false);
  });

  it('a record about a lack of memory of the whole machine also names the container', () => {
    const text =
      `oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=${id},mems_allowed=0,` +
      `global_oom,task_memcg=/docker/${id},task=java,pid=5,uid=0`;
    expect(readVictims(`6,1872,767314415,-;${text}\n`).has(id)).to.equal(true);
  });

  it('a message may be split into records anywhere between its pieces', () => {
    const pieces = messagePieces(`/docker/${id}`, `/docker/${id}`);
    for (let at = 1; at < pieces.length; at += 1) {
      const victims = readVictims(
        `6,1872,767314415,-;${pieces.slice(0, at).join('')}\n`,
        '6,1873,767314420,-;docker0: port 1(veth7641abe) entered disabled state\n SUBSYSTEM=net\n',
        `6,1874,767314421,c;${pieces.slice(at).join('')}\n`,
      );
      expect(victims.has(id), `split before ${pieces[at]}`).to.equal(true);
    }
  });

  it('a record whose header has fields after the flag is read', () => {
    const text = message(`/docker/${id}`, `/docker/${id}`);
    expect(readVictims(`6,1872,767314415,-,caller=T16411;${text}\n SUBSYSTEM=x\n`).has(id)).to.equal(true);
  });

  it('a record that a program has written is ignored', () => {
    const text = message(`/docker/${id}`, `/docker/${id}`);
    expect(readVictims(`14,1872,767314415,-;${text}\n`).has(id)).to.equal(false);
  });

  it('other messages, incomplete messages and invalid records are ignored', () => {
    const victims = readVictims(
      `6,1,2,-;Memory cgroup stats for /docker/${id}:\n`,
      `6,2,3,c;,task_memcg=/docker/${id},task=sh,pid=1,uid=0\n`,
      '',
      'no record',
    );
    expect(victims.has(id)).to.equal(false);
  });

  it('the name of the killed program cannot name a container', () => {
    const victims = readVictims(`6,1,2,-;${message('/elsewhere', '/elsewhere', `a,task=${id},task=b`)}\n`);
    expect(victims.has(id)).to.equal(false);
  });

  it('the newest 1000 containers are remembered', () => {
    const ids = Array.from({ length: 1_001 }, (_, at) => String(at).padStart(64, '0'));
    const victims = readVictims(...ids.map((one) => `6,1,2,-;${message(`/docker/${one}`, `/docker/${one}`)}\n`));
    expect(ids.filter((one) => !victims.has(one))).to.deep.equal([ids[0]]);
  });
});
