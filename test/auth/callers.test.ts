import { expect } from 'chai';
import { identify } from '../../server/auth/identify.ts';
import { allows, scopeText } from '../../server/auth/scopes.ts';

const person = { user: 'ada', token: false, scopes: ['news.list'] };
const anonymous = { user: '', token: false, scopes: [] };

describe('auth: callers', () => {
  it('lets a caller without credentials do everything but what nobody can', () => {
    const identified = identify({});
    expect(identified).to.deep.equal({ caller: { user: '', token: false, scopes: ['*'] } });
    if (!('caller' in identified)) throw new Error('not identified');
    expect(allows(identified.caller, undefined)).to.equal(true);
    expect(allows(identified.caller, 'user.admin')).to.equal(true);
    expect(allows(identified.caller, 'never')).to.equal(false);
  });

  for (const authorization of ['Bearer x', 'Basic eDp5', 'Bearer', '']) it(`refuses the credentials "${authorization}" and never falls back to anonymous`, () => {
    expect(identify({ authorization })).to.deep.equal({ refused: 'invalid credentials' });
  });

  it('allows what a caller holds, and nothing else', () => {
    expect(allows(person, 'news.list')).to.equal(true);
    expect(allows(person, 'user.valid')).to.equal(true);
    expect(allows(person, 'user.admin')).to.equal(false);
    expect(allows(anonymous, 'user.valid')).to.equal(false);
    expect(allows(anonymous, undefined)).to.equal(true);
  });

  it('names the scope that is missing, or says its own text', () => {
    expect(scopeText('url.resolve')).to.equal('missing scope "url.resolve"');
    expect(scopeText('never')).to.equal('no one can do this');
    expect(scopeText('user.admin')).to.equal('user must have an admin account with TOTP enabled');
  });
});
