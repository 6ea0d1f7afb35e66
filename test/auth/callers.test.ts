// Tests who a caller is and what its scopes allow.

import { expect } from 'chai';
import { identify } from '../../server/auth/identify.ts';
import { allows, missingScopeMessage } from '../../server/auth/scopes.ts';

const person = { user: 'ada', token: false, scopes: ['news.list'] };
const anonymous = { user: '', token: false, scopes: [] };

describe('callers', () => {
  it('a request without credentials has an anonymous caller with every scope except `never`', () => {
    const identified = identify({});
    expect(identified).to.deep.equal({ caller: { user: '', token: false, scopes: ['*'] } });
    if (!('caller' in identified)) throw new Error('not identified');
    expect(allows(identified.caller, undefined)).to.equal(true);
    expect(allows(identified.caller, 'user.admin')).to.equal(true);
    expect(allows(identified.caller, 'never')).to.equal(false);
  });

  for (const authorization of ['Bearer x', 'bearer x', 'Bearer', '', 'x', 'Basically x', 'Token x'])
    it(`the credentials "${authorization}" are rejected, not treated as anonymous`, () => {
      expect(identify({ authorization })).to.deep.equal({ rejected: 'invalid credentials' });
    });

  for (const scheme of ['Basic', 'basic', 'BASIC', 'Digest', 'Negotiate', 'NTLM'])
    it(`S8: credentials of the scheme ${scheme}, which a proxy passes on, are ignored`, () => {
      for (const authorization of [`${scheme} eDp5`, scheme])
        expect(identify({ authorization })).to.deep.equal(identify({}));
    });

  it('W5: a user without a token holds the login scopes, and a token holds only the scopes in its list', () => {
    const login = { user: 'ada', token: false, scopes: [] };
    for (const scope of ['instances.directory', 'news.list', 'url.resolve']) {
      expect(allows(login, scope), scope).to.equal(true);
      expect(allows({ ...login, token: true }, scope), scope).to.equal(false);
      expect(allows({ ...login, token: true, scopes: [scope] }, scope), scope).to.equal(true);
      expect(allows({ ...login, user: '' }, scope), scope).to.equal(false);
    }
  });

  it('a caller is allowed exactly what its scopes grant', () => {
    expect(allows(person, 'news.list')).to.equal(true);
    expect(allows(person, 'user.valid')).to.equal(true);
    expect(allows(person, 'user.admin')).to.equal(false);
    expect(allows(anonymous, 'user.valid')).to.equal(false);
    expect(allows(anonymous, undefined)).to.equal(true);
  });

  it('the message for a missing scope names the scope, unless the scope has a message of its own', () => {
    expect(missingScopeMessage('url.resolve')).to.equal('missing scope "url.resolve"');
    expect(missingScopeMessage('never')).to.equal('no one can do this');
    expect(missingScopeMessage('user.admin')).to.equal('user must have an admin account with TOTP enabled');
  });
});
