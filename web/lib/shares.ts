// What another app shares with the installed page. The service worker keeps it in a cache of its own, and the page
// takes it from there. Only the page that is opened with it learns the name.

/** Where a share is posted, see share_target in page/manifest.webmanifest; and with an id, where the page finds it. */
export const SHARED = 'shared';

/** What stands in place of an id where something was shared that is neither a file nor an address. */
export const NOTHING = 'nothing';

/** What the names of all shares begin with that the service worker of a scope keeps. */
export const sharesOf = (scope: string) => `shared ${scope} `;

/** The header of a kept file that has its name, percent-encoded. */
export const NAME = 'X-Name';
